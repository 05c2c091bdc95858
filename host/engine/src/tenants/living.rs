//! The tenants of a journal that were not removed, for programs that check a journal without serving it: their keys
//! must exist.

use std::collections::BTreeMap;

use polder_core::TenantName;
use polder_journal::{KeyProblem, Keyring, RecordView};

use super::registry::Tenants;
use crate::control::read_record;
use crate::tenancy::SYSTEM_TENANT;

/// Folds the tenants from the host's own history, record by record.
#[derive(Debug)]
pub struct LivingTenants(Tenants);

impl Default for LivingTenants {
    fn default() -> Self {
        Self(Tenants::new(true))
    }
}

impl LivingTenants {
    /// Folds a record of the journal. Records must come in order; those that do not concern tenants are ignored.
    pub fn record(&mut self, record: &RecordView<'_>) {
        if record.tenant() == SYSTEM_TENANT {
            // Facts that this version does not understand are refused by the host at its start, not here.
            drop(read_record(record, &mut self.0));
        }
    }

    /// Tenants whose key is missing, damaged or wrong although they were not removed. `sealed` holds the number of
    /// records of each tenant that could not be read.
    pub fn key_problems(&self, keys: &Keyring, sealed: &BTreeMap<String, u64>) -> BTreeMap<TenantName, KeyProblem> {
        keys.expect(self.0.present().filter_map(|(name, entry)| Some((name.clone(), entry.key?))));
        let missing = |name: &TenantName| KeyProblem { place: keys.place(name), what: "is missing".to_owned() };
        let problem = |name: &TenantName| {
            keys.problem(name)
                .or_else(|| (!keys.has(name) && sealed.contains_key(name.as_str())).then(|| missing(name)))
        };
        self.0.present().filter_map(|(name, _)| Some((name.clone(), problem(name)?))).collect()
    }
}
