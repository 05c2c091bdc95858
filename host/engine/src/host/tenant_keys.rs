//! Checks the tenants' keys before anything is encrypted or decrypted with them. A tenant whose key is missing, damaged
//! or wrong is out of service; other tenants are not affected.

use std::io;
use std::sync::PoisonError;

use polder_core::TenantName;
use polder_journal::{AppendError, TENANT_KEYS_FOLDER, Writer};

use super::Inner;
use crate::OpenError;
use crate::tenants::{Entry, TenantFact};

impl Inner {
    /// Compares each tenant's key with its recorded check value. Blocks where keys are kept elsewhere.
    pub(super) fn check_keys(&self) {
        let present = self.present();
        let keys = self.reader.keys();
        keys.expect(present.iter().filter_map(|(name, entry)| Some((name.clone(), entry.key?))));
        for (name, entry) in &present {
            let Some(tenant) = self.tenant(name) else { continue };
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

    fn key_problem(&self, name: &TenantName, entry: &Entry) -> Option<String> {
        let keys = self.reader.keys();
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
        let has_records = self.reader.record_bytes(name) > 0 || self.report.sealed.contains(name);
        entry.added.is_none() && entry.key.is_none() && !has_records && self.reader.keys().problem(name).is_none()
    }

    /// Makes the key of the tenant that every host begins with, at its first start. The check value is recorded before
    /// anything is encrypted.
    pub(super) fn make_first_key(&self, writer: &mut Writer) -> Result<(), OpenError> {
        let folder = |source| OpenError::Folder { path: self.options.data_dir.join(TENANT_KEYS_FOLDER), source };
        for (name, entry) in self.present().iter().filter(|(_, entry)| entry.key.is_none()) {
            if self.is_without_key(name, entry) {
                self.reader.keys().create(name).map_err(folder)?;
            }
            if let Some(key) = self.reader.keys().check_of(name) {
                let fact = TenantFact::TenantKeyMade { tenant: name.clone(), key };
                if let Err(error) = self.record_first(writer, fact) {
                    // The writer cannot be used any more, so the host takes no commands and reports why.
                    tracing::error!(tenant = %name, %error, "the check value of a key cannot be recorded");
                }
            }
        }
        Ok(())
    }

    /// Records a fact before there is a pipeline.
    fn record_first(&self, writer: &mut Writer, fact: TenantFact) -> Result<(), AppendError> {
        let mut stream = self.lock_stream();
        let (record, proposal) = stream.propose(&fact, self.clock.now(), None);
        let appended = writer.append(&[record])?;
        let Some(position) = appended.last_positions.last().copied() else {
            return Err(AppendError::Io { what: "record a fact", source: io::ErrorKind::Other.into() });
        };
        let noted = stream.accept(proposal, position);
        crate::system::Registry::fold(
            &mut *self.tenant_book.lock().unwrap_or_else(PoisonError::into_inner),
            fact,
            &noted,
        );
        self.system.reached(position);
        Ok(())
    }

    fn present(&self) -> Vec<(TenantName, Entry)> {
        self.with_tenants(|book| book.present().map(|(name, entry)| (name.clone(), entry.clone())).collect())
    }
}
