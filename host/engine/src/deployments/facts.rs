//! What is recorded of deployments, and which revisions are active after it.

use std::collections::{BTreeMap, BTreeSet};

use polder_core::{AggregateId, DomainName, Revision, TenantName};
use serde::{Deserialize, Serialize};

use crate::system::{Book, Fact, Noted};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DeploymentFact {
    RevisionActivated { tenant: TenantName, domain: DomainName, revision: Revision },
}

/// Which revision of which domain is active.
#[derive(Debug, Default)]
pub(crate) struct Deployments {
    active: BTreeMap<(TenantName, DomainName), Revision>,
    uploaded: BTreeMap<TenantName, BTreeSet<Revision>>,
}

/// A domain whose revision is active.
#[derive(Debug, Clone)]
pub(crate) struct Activation {
    pub(crate) tenant: TenantName,
    pub(crate) domain: DomainName,
    pub(crate) revision: Revision,
}

impl Fact for DeploymentFact {
    const DOMAIN: &'static str = "deployments";
    const AGGREGATE: &'static str = "domain";

    fn aggregate_id(&self) -> AggregateId {
        let Self::RevisionActivated { tenant, domain, .. } = self;
        AggregateId::new(&format!("{tenant}:{domain}")).expect("two names and a colon are a good id")
    }
}

impl Book for Deployments {
    type Fact = DeploymentFact;

    fn fold(&mut self, fact: DeploymentFact, _: &Noted) {
        let DeploymentFact::RevisionActivated { tenant, domain, revision } = fact;
        self.uploaded.entry(tenant.clone()).or_default().insert(revision);
        self.active.insert((tenant, domain), revision);
    }
}

impl Deployments {
    /// Every revision that one of these tenants ever had.
    pub(crate) fn revisions_of(&self, is_wanted: impl Fn(&TenantName) -> bool) -> BTreeSet<Revision> {
        let wanted = self.uploaded.iter().filter(|(tenant, _)| is_wanted(tenant));
        wanted.flat_map(|(_, revisions)| revisions).copied().collect()
    }

    pub(crate) fn active(&self) -> impl Iterator<Item = Activation> + '_ {
        self.active.iter().map(|((tenant, domain), revision)| Activation {
            tenant: tenant.clone(),
            domain: domain.clone(),
            revision: *revision,
        })
    }
}
