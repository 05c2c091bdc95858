//! The kind of an event: its subject in NATS without the tenant, as in `orders.order.order-drafted.v1`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{AggregateName, DomainName, Event, EventName, NameError, TenantName, subject};

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventKind {
    pub domain: DomainName,
    pub aggregate: AggregateName,
    pub name: EventName,
    pub version: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KindError {
    #[error(
        "{kind:?} names no kind of event: expected domain, aggregate, event and version, as in audit.entry.recorded.v1"
    )]
    Form { kind: String },
    #[error("{kind:?} names no kind of event: {problem}")]
    Name { kind: String, problem: NameError },
}

impl EventKind {
    pub fn of(event: &Event) -> Self {
        let Event { domain, aggregate, name, version, .. } = event;
        Self { domain: domain.clone(), aggregate: aggregate.clone(), name: name.clone(), version: *version }
    }

    /// The subject of such events of a tenant.
    pub fn subject(&self, tenant: &TenantName) -> String {
        subject::event(tenant, &self.domain, &self.aggregate, &self.name, self.version)
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { domain, aggregate, name, version } = self;
        write!(f, "{domain}.{aggregate}.{name}.v{version}")
    }
}

impl FromStr for EventKind {
    type Err = KindError;

    fn from_str(text: &str) -> Result<Self, KindError> {
        let kind = || text.chars().take(80).collect::<String>();
        let tokens: Vec<&str> = text.split('.').collect();
        let &[domain, aggregate, name, version] = &tokens[..] else { return Err(KindError::Form { kind: kind() }) };
        let version: Option<u32> = version.strip_prefix('v').and_then(|number| number.parse().ok());
        let version = version.filter(|version| *version > 0 && text.ends_with(&format!(".v{version}")));
        let bad = |problem| KindError::Name { kind: kind(), problem };
        Ok(Self {
            domain: DomainName::new(domain).map_err(bad)?,
            aggregate: AggregateName::new(aggregate).map_err(bad)?,
            name: EventName::new(name).map_err(bad)?,
            version: version.ok_or_else(|| KindError::Form { kind: kind() })?,
        })
    }
}

impl TryFrom<String> for EventKind {
    type Error = KindError;
    fn try_from(text: String) -> Result<Self, KindError> {
        text.parse()
    }
}

impl From<EventKind> for String {
    fn from(kind: EventKind) -> String {
        kind.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_four_tokens() {
        let kind: EventKind = "audit.entry.recorded.v12".parse().unwrap();
        assert_eq!((kind.version, kind.to_string().as_str()), (12, "audit.entry.recorded.v12"));
        assert_eq!(kind.subject(&TenantName::new("main").unwrap()), "main.audit.entry.recorded.v12");
        for text in [
            "",
            "audit.entry.recorded",
            "audit.entry.recorded.1",
            "audit.entry.recorded.v0",
            "audit.entry.recorded.v01",
            "audit.entry.recorded.v+1",
            "audit.entry.recorded.v1.x",
            "audit.*.recorded.v1",
            "Audit.entry.recorded.v1",
            "audit..recorded.v1",
        ] {
            let error = text.parse::<EventKind>().unwrap_err().to_string();
            assert!(error.contains("names no kind of event"), "{error}");
        }
    }
}
