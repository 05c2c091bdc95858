//! Parses addresses as people type them: `orders/order/o-1`, `orders/order-summary`.

use std::str::FromStr;

use polder_core::{AggregateId, AggregateName, DomainName, NameError, ProjectionName};

/// Address of one aggregate.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AggregateAddress {
    pub(crate) domain: DomainName,
    pub(crate) aggregate: AggregateName,
    pub(crate) id: AggregateId,
}

/// Address of one read model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ViewAddress {
    pub(crate) domain: DomainName,
    pub(crate) projection: ProjectionName,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum AddressError {
    #[error("an aggregate is named DOMAIN/AGGREGATE/ID, as in orders/order/o-1")]
    NoAggregate,
    #[error("a view is named DOMAIN/PROJECTION, as in orders/order-summary")]
    NoView,
    #[error(transparent)]
    Name(#[from] NameError),
}

impl FromStr for AggregateAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let parts: Vec<&str> = text.split('/').collect();
        let &[domain, aggregate, id] = parts.as_slice() else { return Err(AddressError::NoAggregate) };
        Ok(Self { domain: domain.parse()?, aggregate: aggregate.parse()?, id: id.parse()? })
    }
}

impl FromStr for ViewAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (domain, projection) = text.split_once('/').ok_or(AddressError::NoView)?;
        Ok(Self { domain: domain.parse()?, projection: projection.parse()? })
    }
}

impl std::fmt::Display for AggregateAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.domain, self.aggregate, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let address: AggregateAddress = "orders/order/o-1".parse().unwrap();
        assert_eq!((address.domain.as_str(), address.id.as_str()), ("orders", "o-1"));
        assert_eq!(address.to_string(), "orders/order/o-1");
        let address: ViewAddress = "orders/order-summary".parse().unwrap();
        assert_eq!(address.projection.as_str(), "order-summary");
    }

    #[test]
    fn a_wrong_address_is_refused_with_the_right_form() {
        let aggregate = |text: &str| text.parse::<AggregateAddress>().unwrap_err().to_string();
        for text in ["", "orders", "orders/order", "orders/order/o/1"] {
            assert!(aggregate(text).contains("DOMAIN/AGGREGATE/ID"), "{text}");
        }
        assert!(aggregate("orders/order/o 1").contains("an id has 1 to 128"));
        let view = |text: &str| text.parse::<ViewAddress>().unwrap_err().to_string();
        assert!(view("orders").contains("DOMAIN/PROJECTION"));
        assert!(view("orders/a/b").contains("a name has 1 to 63"));
    }
}
