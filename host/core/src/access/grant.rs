//! The grant of one caller: its actor name, its tenant, and its permissions.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Pattern, Permissions};
use crate::subject::HOST;
use crate::{NameError, TenantName};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub scope: Scope,
    /// The caller's name, recorded in events as the actor.
    pub actor: String,
    pub permissions: Permissions,
}

/// The part of all subjects that a grant is confined to. Patterns cannot grant anything outside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Scope {
    /// Subjects that begin with the tenant's name.
    Tenant(TenantName),
    /// All subjects, for the host's operators.
    Host,
}

impl Grant {
    pub fn may_publish(&self, subject: &str) -> bool {
        self.scope.covers(subject) && self.permissions.may_publish(subject)
    }

    pub fn may_subscribe(&self, subject: &str) -> bool {
        self.scope.covers(subject) && self.permissions.may_subscribe(subject)
    }

    /// Checks that the scope covers the space, and then [`Permissions::may_publish_within`].
    pub fn may_publish_within(&self, space: &Pattern) -> bool {
        self.scope.covers(space.as_str()) && self.permissions.may_publish_within(space)
    }

    /// Checks that the scope covers the space, and then [`Permissions::may_subscribe_within`].
    pub fn may_subscribe_within(&self, space: &Pattern) -> bool {
        self.scope.covers(space.as_str()) && self.permissions.may_subscribe_within(space)
    }

    /// Checks that the scope covers the space, and then [`Permissions::may_subscribe_to_all`].
    pub fn may_subscribe_to_all(&self, space: &Pattern) -> bool {
        self.scope.covers(space.as_str()) && self.permissions.may_subscribe_to_all(space)
    }
}

impl Scope {
    fn covers(&self, subject: &str) -> bool {
        match self {
            Self::Host => true,
            Self::Tenant(tenant) => subject.split('.').next() == Some(tenant.as_str()),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tenant(tenant) => tenant.fmt(f),
            Self::Host => f.write_str(HOST),
        }
    }
}

impl TryFrom<String> for Scope {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        if text == HOST { Ok(Self::Host) } else { TenantName::new(&text).map(Self::Tenant) }
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> String {
        scope.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(scope: &str) -> Grant {
        let everything = || vec![Pattern::new(">").unwrap()];
        let permissions = Permissions { publish: everything(), subscribe: everything(), deny: Vec::new() };
        Grant { scope: scope.to_owned().try_into().unwrap(), actor: "ann".into(), permissions }
    }

    #[test]
    fn no_pattern_reaches_beyond_the_tenant() {
        let space = |text: &str| Pattern::new(text).unwrap();
        for (scope, subject, expected) in [
            ("acme", "acme.cmd.orders.order.o-1.submit-order", true),
            ("acme", "acme.admin.deploy.orders", true),
            ("acme", "acme2.cmd.orders.order.o-1.submit-order", false),
            ("acme", "other.orders.order.order-drafted.v1", false),
            ("acme", "$host.metrics", false),
            ("acme", "system.deployments.domain.revision-activated.v1", false),
            ("$host", "$host.admin.tenant.add.acme", true),
            ("$host", "acme.orders.order.order-drafted.v1", true),
        ] {
            let grant = grant(scope);
            let found = [
                grant.may_publish(subject),
                grant.may_subscribe(subject),
                grant.may_publish_within(&space(subject)),
                grant.may_subscribe_within(&space(subject)),
                grant.may_subscribe_to_all(&space(subject)),
            ];
            assert_eq!(found, [expected; 5], "{scope} {subject}");
        }
        assert!(!grant("acme").may_subscribe_within(&space("*.orders.>")));
    }

    #[test]
    fn a_scope_is_text() {
        for text in ["acme", "$host"] {
            assert_eq!(Scope::try_from(text.to_owned()).unwrap().to_string(), text);
        }
        assert!(Scope::try_from("$other".to_owned()).is_err());
    }
}
