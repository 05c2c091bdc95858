//! The facts recorded of deployments, and the resulting status of each domain: its active revision, the earlier ones,
//! and those in quarantine.

use std::collections::{BTreeMap, BTreeSet};

use polder_core::{AggregateId, DomainName, Revision, TenantName};
use serde::{Deserialize, Serialize};

use super::check::Verdict;
use crate::control::{Fact, Recorded, Registry};

/// Activations of a domain that are remembered, to go back to. Older ones are forgotten.
const ACTIVATIONS_KEPT_MAX: usize = 100;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DeploymentFact {
    /// A component was stored that the sandbox accepts.
    RevisionUploaded {
        tenant: TenantName,
        domain: DomainName,
        revision: Revision,
        bytes: u64,
    },
    RevisionActivated {
        tenant: TenantName,
        domain: DomainName,
        revision: Revision,
        #[serde(default)]
        previous: Option<Revision>,
        #[serde(default)]
        verdict: Verdict,
    },
    RevisionRefused {
        tenant: TenantName,
        domain: DomainName,
        revision: Revision,
        verdict: Verdict,
    },
    /// The domain went back to `revision`.
    RevisionRolledBack {
        tenant: TenantName,
        domain: DomainName,
        from: Revision,
        revision: Revision,
        cause: String,
        verdict: Verdict,
    },
    /// The revision may not be activated until it is released.
    RevisionQuarantined {
        tenant: TenantName,
        domain: DomainName,
        revision: Revision,
        cause: String,
    },
    QuarantineReleased {
        tenant: TenantName,
        domain: DomainName,
        revision: Revision,
    },
}

/// The deployments of all domains.
#[derive(Debug, Default)]
pub(crate) struct Deployments {
    domains: BTreeMap<(TenantName, DomainName), DomainDeployments>,
}

/// The deployments of one domain.
#[derive(Debug, Clone, Default)]
pub(crate) struct DomainDeployments {
    /// Activated revisions in order; the last one is active.
    activated: Vec<Revision>,
    pub(crate) uploaded: BTreeSet<Revision>,
    pub(crate) quarantined: BTreeMap<Revision, String>,
}

/// A domain with its active revision.
#[derive(Debug, Clone)]
pub(crate) struct Activation {
    pub(crate) tenant: TenantName,
    pub(crate) domain: DomainName,
    pub(crate) revision: Revision,
}

impl DeploymentFact {
    pub(crate) fn id_of(tenant: &TenantName, domain: &DomainName) -> AggregateId {
        AggregateId::new(&format!("{tenant}:{domain}")).expect("two names and a colon are a good id")
    }

    fn place(&self) -> (&TenantName, &DomainName) {
        match self {
            Self::RevisionUploaded { tenant, domain, .. }
            | Self::RevisionActivated { tenant, domain, .. }
            | Self::RevisionRefused { tenant, domain, .. }
            | Self::RevisionRolledBack { tenant, domain, .. }
            | Self::RevisionQuarantined { tenant, domain, .. }
            | Self::QuarantineReleased { tenant, domain, .. } => (tenant, domain),
        }
    }
}

impl Fact for DeploymentFact {
    const DOMAIN: &'static str = "deployments";
    const AGGREGATE: &'static str = "domain";

    fn aggregate_id(&self) -> AggregateId {
        let (tenant, domain) = self.place();
        Self::id_of(tenant, domain)
    }
}

impl Registry for Deployments {
    type Fact = DeploymentFact;

    fn fold(&mut self, fact: DeploymentFact, _: &Recorded) {
        let (tenant, domain) = fact.place();
        let standing = self.domains.entry((tenant.clone(), domain.clone())).or_default();
        match fact {
            DeploymentFact::RevisionUploaded { revision, .. } => drop(standing.uploaded.insert(revision)),
            DeploymentFact::RevisionActivated { revision, .. } => standing.activate(revision),
            DeploymentFact::RevisionRefused { .. } => {}
            DeploymentFact::RevisionRolledBack { revision, .. } => standing.go_back(revision),
            DeploymentFact::RevisionQuarantined { revision, cause, .. } => {
                standing.quarantined.insert(revision, cause);
            }
            DeploymentFact::QuarantineReleased { revision, .. } => drop(standing.quarantined.remove(&revision)),
        }
    }
}

impl Deployments {
    /// All revisions that one of these tenants ever had.
    pub(crate) fn revisions_of(&self, is_wanted: impl Fn(&TenantName) -> bool) -> BTreeSet<Revision> {
        let wanted = self.domains.iter().filter(|((tenant, _), _)| is_wanted(tenant));
        wanted.flat_map(|(_, standing)| &standing.uploaded).copied().collect()
    }

    /// All revisions that are active in a domain of one of these tenants, or that the domain may go back to.
    pub(crate) fn returning(&self, is_wanted: impl Fn(&TenantName) -> bool) -> BTreeSet<Revision> {
        let wanted = self.domains.iter().filter(|((tenant, _), _)| is_wanted(tenant));
        wanted.flat_map(|(_, standing)| standing.returning()).collect()
    }

    pub(crate) fn active(&self) -> impl Iterator<Item = Activation> + '_ {
        let active = |((tenant, domain), standing): (&(TenantName, DomainName), &DomainDeployments)| {
            let revision = standing.active()?;
            Some(Activation { tenant: tenant.clone(), domain: domain.clone(), revision })
        };
        self.domains.iter().filter_map(active)
    }

    /// Checks that the tenant has the domain already, or has fewer than `domains_max` domains. A domain counts from the
    /// first upload of a component, because the host keeps what is recorded of it.
    ///
    /// # Errors
    /// The number of the tenant's domains, if this would be one too many.
    pub(crate) fn check_domains(&self, tenant: &TenantName, domain: &DomainName, domains_max: u64) -> Result<(), u64> {
        let domains = self.domains.keys().filter(|(owner, _)| owner == tenant).count() as u64;
        match domains < domains_max || self.standing(tenant, domain).is_some() {
            true => Ok(()),
            false => Err(domains),
        }
    }

    /// The deployments of a domain; `None` if nothing is recorded of it.
    pub(crate) fn standing(&self, tenant: &TenantName, domain: &DomainName) -> Option<&DomainDeployments> {
        self.domains.get(&(tenant.clone(), domain.clone()))
    }
}

impl DomainDeployments {
    fn active(&self) -> Option<Revision> {
        self.activated.last().copied()
    }

    /// The revision that was active before and may be activated again.
    pub(crate) fn before(&self) -> Option<Revision> {
        let active = self.active()?;
        let may_return = |revision: &&Revision| **revision != active && !self.quarantined.contains_key(*revision);
        self.activated.iter().rev().find(may_return).copied()
    }

    /// The active revision, and those that may become active again without a new deployment. Revisions in quarantine
    /// are left out: snapshots that they have saved cannot be trusted, even after a release.
    fn returning(&self) -> impl Iterator<Item = Revision> {
        let quarantined = |revision: &&Revision| self.quarantined.contains_key(*revision);
        self.activated.iter().filter(move |revision| !quarantined(revision)).copied()
    }

    /// The revisions that were active once and whose digits begin with `digits`.
    pub(crate) fn activated_like(&self, digits: &str) -> BTreeSet<Revision> {
        self.activated.iter().filter(|revision| revision.to_string().starts_with(digits)).copied().collect()
    }

    fn activate(&mut self, revision: Revision) {
        self.uploaded.insert(revision);
        self.activated.push(revision);
        if self.activated.len() > ACTIVATIONS_KEPT_MAX {
            self.activated.remove(0);
        }
    }

    /// Goes back to a former revision. Revisions activated after it are no longer candidates to go back to.
    fn go_back(&mut self, revision: Revision) {
        let active = self.activated.pop();
        match self.activated.iter().rposition(|earlier| *earlier == revision) {
            Some(place) => self.activated.truncate(place + 1),
            None => {
                self.activated.extend(active);
                self.activate(revision);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revision(name: &str) -> Revision {
        Revision::of(name.as_bytes())
    }

    fn standing(activated: &[&str]) -> DomainDeployments {
        let mut standing = DomainDeployments::default();
        activated.iter().for_each(|name| standing.activate(revision(name)));
        standing
    }

    #[test]
    fn going_back_goes_step_by_step() {
        let mut standing = standing(&["a", "b", "a", "c"]);
        for expected in ["a", "b", "a"] {
            assert_eq!(standing.before(), Some(revision(expected)));
            standing.go_back(revision(expected));
            assert_eq!(standing.active(), Some(revision(expected)));
        }
        assert_eq!(standing.before(), None);
    }

    #[test]
    fn revisions_in_quarantine_are_skipped() {
        let mut standing = standing(&["a", "b", "c"]);
        standing.quarantined.insert(revision("b"), "bad".into());
        assert_eq!(standing.before(), Some(revision("a")));
        standing.quarantined.insert(revision("a"), "bad".into());
        assert_eq!(standing.before(), None);
    }

    #[test]
    fn revisions_that_cannot_come_back_are_not_kept() {
        let mut standing = standing(&["a", "b", "c"]);
        let returning = |standing: &DomainDeployments| standing.returning().collect::<BTreeSet<_>>();
        assert_eq!(returning(&standing), ["a", "b", "c"].map(revision).into());
        standing.go_back(revision("b"));
        assert_eq!(returning(&standing), ["a", "b"].map(revision).into(), "c was replaced by going back");
        standing.quarantined.insert(revision("a"), "bad".into());
        assert_eq!(returning(&standing), ["b"].map(revision).into());
    }

    #[test]
    fn a_tenant_with_all_its_domains_keeps_them_and_gets_no_further_one() {
        let name = |name: &str| DomainName::new(name).unwrap();
        let (acme, brook) = (TenantName::new("acme").unwrap(), TenantName::new("brook").unwrap());
        let mut deployments = Deployments::default();
        for domain in ["orders", "permits"] {
            deployments.domains.insert((acme.clone(), name(domain)), DomainDeployments::default());
        }
        assert_eq!(deployments.check_domains(&acme, &name("vault"), 3), Ok(()));
        for domains_max in [1, 2] {
            assert_eq!(deployments.check_domains(&acme, &name("vault"), domains_max), Err(2));
            assert_eq!(deployments.check_domains(&acme, &name("orders"), domains_max), Ok(()));
            assert_eq!(deployments.check_domains(&brook, &name("vault"), domains_max), Ok(()));
        }
    }

    #[test]
    fn a_bounded_number_of_activations_is_remembered() {
        let names: Vec<String> = (0..3 * ACTIVATIONS_KEPT_MAX).map(|number| number.to_string()).collect();
        let standing = standing(&names.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(standing.activated.len(), ACTIVATIONS_KEPT_MAX);
        assert_eq!(standing.active(), Some(revision(names.last().unwrap())));
    }
}
