//! Which tenants a journal has that were not removed, for programs that check a journal without serving it: their keys have to be there.

use std::collections::BTreeMap;

use polder_core::TenantName;
use polder_journal::{KeyProblem, Keyring, RecordView};

use crate::system::{SYSTEM_TENANT, read_record};
use crate::tenants::Tenants;

/// Folds the host's own history, record by record.
#[derive(Debug)]
pub struct LivingTenants(Tenants);

impl Default for LivingTenants {
    fn default() -> Self {
        Self(Tenants::new(true))
    }
}

impl LivingTenants {
    /// Any record of the journal, in order. Those that say nothing of tenants are passed over.
    pub fn record(&mut self, record: &RecordView<'_>) {
        if record.tenant() == SYSTEM_TENANT {
            // What this version does not understand is the host's to refuse at its start.
            drop(read_record(record, &mut self.0));
        }
    }

    /// Tenants whose key is missing, damaged or another's, though they were not removed. `sealed`: how many records of each tenant could not be
    /// read.
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
