//! The tenants and the decisions about each, folded from the facts in the host's own history.

use std::collections::{BTreeMap, BTreeSet};

use polder_core::{AggregateId, LimitChanges, LimitOverrides, Limits, TenantName};
use polder_journal::KeyCheck;
use serde::{Deserialize, Serialize};

use crate::control::{Fact, Recorded, Registry};
use crate::tenancy::{Act, MAIN_TENANT, SYSTEM_TENANT, Terms};

/// Names that no tenant can have: that of the host's own history, and the first segments of other paths.
pub(crate) const RESERVED_NAMES: [&str; 4] = [SYSTEM_TENANT, "tenants", "keys", "drain"];

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(clippy::enum_variant_names, reason = "they are the names of events")]
pub(crate) enum TenantFact {
    TenantAdded {
        tenant: TenantName,
        /// The check value of the tenant's key.
        key: KeyCheck,
    },
    /// The key of the tenant that exists from the start was made.
    TenantKeyMade {
        tenant: TenantName,
        key: KeyCheck,
    },
    TenantLimitsChanged {
        tenant: TenantName,
        limits: LimitChanges,
    },
    TenantSuspended {
        tenant: TenantName,
    },
    TenantResumed {
        tenant: TenantName,
    },
    /// The tenant is gone for all callers. Its data is being deleted.
    TenantRemoved {
        tenant: TenantName,
    },
    /// All data of the tenant is deleted, except for the facts in the host's own history.
    TenantErased {
        tenant: TenantName,
    },
}

/// All tenants that ever existed.
#[derive(Debug)]
pub(crate) struct Tenants {
    entries: BTreeMap<TenantName, Entry>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Entry {
    /// The act that added the tenant. `None` for the tenant that exists from the start.
    pub(crate) added: Option<Act>,
    pub(crate) suspended: Option<Act>,
    /// The check value of the key that its records are encrypted with. `None` until it has a key.
    pub(crate) key: Option<KeyCheck>,
    pub(crate) limits: LimitOverrides,
    pub(crate) removed: Option<Act>,
    pub(crate) is_erased: bool,
}

impl Tenants {
    /// The state before any fact.
    pub(crate) fn new(has_main: bool) -> Self {
        let main = has_main.then(|| (TenantName::new(MAIN_TENANT).expect("a good name"), Entry::default()));
        Self { entries: main.into_iter().collect() }
    }

    pub(crate) fn get(&self, name: &TenantName) -> Option<&Entry> {
        self.entries.get(name)
    }

    /// The tenants that were not removed.
    pub(crate) fn present(&self) -> impl Iterator<Item = (&TenantName, &Entry)> {
        self.entries.iter().filter(|(_, entry)| entry.removed.is_none())
    }

    pub(crate) fn present_names(&self) -> BTreeSet<TenantName> {
        self.present().map(|(name, _)| name.clone()).collect()
    }

    /// The removed tenants, whether or not their data is deleted.
    pub(crate) fn removed(&self) -> impl Iterator<Item = &TenantName> {
        self.entries.iter().filter(|(_, entry)| entry.removed.is_some()).map(|(name, _)| name)
    }

    /// The tenants whose removal has begun but not finished.
    pub(crate) fn half_removed(&self) -> Vec<TenantName> {
        let half = self.entries.iter().filter(|(_, entry)| entry.removed.is_some() && !entry.is_erased);
        half.map(|(name, _)| name.clone()).collect()
    }
}

/// The terms of a tenant: its own limits, and the defaults for all others.
pub(crate) fn terms(entry: &Entry, defaults: Limits) -> Terms {
    Terms { limits: defaults.with(&entry.limits), is_suspended: entry.suspended.is_some() }
}

impl Fact for TenantFact {
    const DOMAIN: &'static str = "tenants";
    const AGGREGATE: &'static str = "tenant";

    fn aggregate_id(&self) -> AggregateId {
        AggregateId::new(self.tenant().as_str()).expect("a name is a good id")
    }
}

impl TenantFact {
    fn tenant(&self) -> &TenantName {
        match self {
            Self::TenantAdded { tenant, .. }
            | Self::TenantKeyMade { tenant, .. }
            | Self::TenantLimitsChanged { tenant, .. }
            | Self::TenantSuspended { tenant }
            | Self::TenantResumed { tenant }
            | Self::TenantRemoved { tenant }
            | Self::TenantErased { tenant } => tenant,
        }
    }
}

impl Registry for Tenants {
    type Fact = TenantFact;

    fn fold(&mut self, fact: TenantFact, noted: &Recorded) {
        let act = Act { at_ms: noted.at_ms, actor: noted.actor.clone() };
        let entry = self.entries.entry(fact.tenant().clone()).or_default();
        match fact {
            TenantFact::TenantAdded { key, .. } => (entry.added, entry.key) = (Some(act), Some(key)),
            TenantFact::TenantKeyMade { key, .. } => entry.key = Some(key),
            TenantFact::TenantLimitsChanged { limits, .. } => {
                entry.limits = std::mem::take(&mut entry.limits).changed(&limits);
            }
            TenantFact::TenantSuspended { .. } => entry.suspended = Some(act),
            TenantFact::TenantResumed { .. } => entry.suspended = None,
            TenantFact::TenantRemoved { .. } => entry.removed = Some(act),
            TenantFact::TenantErased { .. } => entry.is_erased = true,
        }
    }
}
