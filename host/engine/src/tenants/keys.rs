//! Checks the tenants' keys before anything is encrypted or decrypted with them. A tenant whose key is missing, damaged
//! or wrong is out of service; other tenants are not affected.

use polder_core::TenantName;
use polder_journal::Writer;

use super::administration::TenantAdministration;
use super::registry::{Entry, TenantFact};

impl TenantAdministration {
    /// Compares each tenant's key with its recorded check value. Blocks where keys are kept elsewhere.
    pub(crate) fn check_keys(&self) {
        self.expect_keys();
        for (name, entry) in &self.present() {
            let Some(tenant) = self.parts.directory.get(name) else { continue };
            let problem = self.key_problem(name, entry);
            if let Some(problem) = problem.as_ref().filter(|problem| tenant.unavailable().as_deref() != Some(*problem))
            {
                tracing::error!(
                    tenant = %name, problem,
                    "a tenant is out of service: its key cannot be used; restore the key from a copy of the data folder, and start the host again"
                );
            }
            tenant.set_unavailable(problem);
        }
    }

    /// Passes the recorded check values to the keyring, which then refuses other keys.
    pub(super) fn expect_keys(&self) {
        let checks = self.present().into_iter().filter_map(|(name, entry)| Some((name, entry.key?)));
        self.parts.reader.keys().expect(checks);
    }

    fn key_problem(&self, name: &TenantName, entry: &Entry) -> Option<String> {
        let keys = self.parts.reader.keys();
        if keys.has(name) || self.is_without_key(name, entry) {
            return None;
        }
        // Another host may have made the key.
        match keys.look_for(name) {
            Ok(true) => None,
            Ok(false) => {
                let problem = keys.problem(name).map(|problem| problem.to_string());
                Some(problem.unwrap_or_else(|| format!("{} is missing", keys.place(name))))
            }
            Err(error) => Some(format!("{} cannot be read: {error}", keys.place(name))),
        }
    }

    /// Whether the tenant is the one that every host begins with, before its first start.
    fn is_without_key(&self, name: &TenantName, entry: &Entry) -> bool {
        let has_records = self.parts.reader.record_bytes(name) > 0 || self.parts.sealed.contains(name);
        entry.added.is_none() && entry.key.is_none() && !has_records && self.parts.reader.keys().problem(name).is_none()
    }

    /// Makes the key of the tenant that every host begins with, at its first start. The check value is recorded before
    /// anything is encrypted.
    pub(crate) fn make_first_key(&self, writer: &mut Writer) -> std::io::Result<()> {
        for (name, entry) in self.present().iter().filter(|(_, entry)| entry.key.is_none()) {
            if self.is_without_key(name, entry) {
                self.parts.reader.keys().create(name)?;
            }
            if let Some(key) = self.parts.reader.keys().check_of(name) {
                let fact = TenantFact::TenantKeyMade { tenant: name.clone(), key };
                let recorded = self.parts.control.begin().record_first(writer, &self.parts.registry, fact);
                if let Err(error) = recorded {
                    // The writer cannot be used any more, so the host takes no commands and reports why.
                    tracing::error!(tenant = %name, %error, "the check value of a key cannot be recorded");
                }
            }
        }
        Ok(())
    }

    fn present(&self) -> Vec<(TenantName, Entry)> {
        self.with_registry(|registry| registry.present().map(|(name, entry)| (name.clone(), entry.clone())).collect())
    }
}
