//! Parses addresses as people type them: `orders/order/o-1`, `orders/order-summary`.

use std::str::FromStr;

use polder_core::{AggregateId, AggregateName, DomainName, NameError, ProjectionName};

/// Address of one aggregate.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AggregatePlace {
    pub(crate) domain: DomainName,
    pub(crate) aggregate: AggregateName,
    pub(crate) id: AggregateId,
}

/// Address of one read model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ViewPlace {
    pub(crate) domain: DomainName,
    pub(crate) projection: ProjectionName,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum PlaceError {
    #[error("an aggregate is named DOMAIN/AGGREGATE/ID, as in orders/order/o-1")]
    NoAggregate,
    #[error("a view is named DOMAIN/PROJECTION, as in orders/order-summary")]
    NoView,
    #[error(transparent)]
    Name(#[from] NameError),
}

impl FromStr for AggregatePlace {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        let parts: Vec<&str> = text.split('/').collect();
        let &[domain, aggregate, id] = parts.as_slice() else { return Err(PlaceError::NoAggregate) };
        Ok(Self { domain: domain.parse()?, aggregate: aggregate.parse()?, id: id.parse()? })
    }
}

impl FromStr for ViewPlace {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        let (domain, projection) = text.split_once('/').ok_or(PlaceError::NoView)?;
        Ok(Self { domain: domain.parse()?, projection: projection.parse()? })
    }
}

impl std::fmt::Display for AggregatePlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.domain, self.aggregate, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read() {
        let place: AggregatePlace = "orders/order/o-1".parse().unwrap();
        assert_eq!((place.domain.as_str(), place.id.as_str()), ("orders", "o-1"));
        assert_eq!(place.to_string(), "orders/order/o-1");
        let place: ViewPlace = "orders/order-summary".parse().unwrap();
        assert_eq!(place.projection.as_str(), "order-summary");
    }

    #[test]
    fn a_wrong_address_is_refused_with_the_right_form() {
        let aggregate = |text: &str| text.parse::<AggregatePlace>().unwrap_err().to_string();
        for text in ["", "orders", "orders/order", "orders/order/o/1"] {
            assert!(aggregate(text).contains("DOMAIN/AGGREGATE/ID"), "{text}");
        }
        assert!(aggregate("orders/order/o 1").contains("an id has 1 to 128"));
        let view = |text: &str| text.parse::<ViewPlace>().unwrap_err().to_string();
        assert!(view("orders").contains("DOMAIN/PROJECTION"));
        assert!(view("orders/a/b").contains("a name has 1 to 63"));
    }
}
