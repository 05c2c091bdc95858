//! The tenants' keys. Everything that a journal holds of a tenant is encrypted ("sealed") with that tenant's key. A
//! journal's bytes never change, so destroying the key is how a tenant's data is destroyed. A [`KeyStore`] keeps the
//! keys: a folder, unless several hosts share them.
//!
//! Two encryption keys are derived from each secret (with BLAKE3's key derivation): one for records, one for snapshots
//! of states.
//!
//! A key that is damaged, or that is not the one the tenant's records were sealed with, is never used to seal or open
//! anything. [`Keyring::problem`] returns what is wrong. Only that tenant is affected.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aes::Aes256Enc;
use aes::cipher::KeyInit as _;
use arc_swap::ArcSwap;
use foldhash::HashMap;
use polder_core::TenantName;

mod check;
mod folder;
#[cfg(test)]
mod fuzz_tests;
mod store;

pub use check::{KeyCheck, KeyCheckError};
use folder::KeyFolder;
use store::SECRET_BYTES;
pub use store::{Kept, KeyStore, Secret};

const HISTORY_ID_BYTES: usize = 16;
const RECORDS_CONTEXT: &str = "polder journal 2026-11-21 records of one tenant";
const HISTORY_CONTEXT: &str = "polder journal 2026-11-30 id of one tenant's history";
const SNAPSHOTS_CONTEXT: &str = "polder journal 2026-11-21 snapshots of one tenant";

/// Why a tenant's key is not used. The operator restores the right key from a backup and restarts the host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place} {what}")]
pub struct KeyProblem {
    pub place: String,
    pub what: String,
}

/// The keys of all tenants that have one. Clones share the same keys.
#[derive(Clone, Default)]
pub struct Keyring {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Where the keys are stored. `None`: they are in memory only.
    store: Option<Box<dyn KeyStore>>,
    /// Readers take a snapshot and never block, because a store may sync a file or use the network.
    held: ArcSwap<Held>,
    /// Locked by the thread that changes keys.
    changing: Mutex<()>,
}

#[derive(Clone, Default)]
struct Held {
    keys: HashMap<TenantName, Key>,
    /// The recorded check value of the key that each tenant's records were sealed with.
    expected: HashMap<TenantName, KeyCheck>,
}

#[derive(Clone)]
enum Key {
    Fit(Arc<TenantKey>),
    Unfit(String),
}

pub(crate) struct TenantKey {
    pub(crate) records: Aes256Enc,
    pub(crate) snapshots: Aes256Enc,
    history_id: [u8; HISTORY_ID_BYTES],
    check: KeyCheck,
}

impl Keyring {
    /// Opens the keys in a folder. Creates the folder if it is missing.
    ///
    /// # Errors
    /// Fails if the folder cannot be used. A file in it that is not a valid key is a [problem](Self::problem) of its
    /// tenant only.
    pub fn open(folder: &Path) -> io::Result<Self> {
        crate::disk::create_private_folder(folder)?;
        Self::read(folder)
    }

    /// Does the same as [`Keyring::open`], but changes nothing. If the folder is missing, there are no keys.
    ///
    /// # Errors
    /// The same as for [`Keyring::open`].
    pub fn read(folder: &Path) -> io::Result<Self> {
        Self::kept_in(Box::new(KeyFolder(folder.to_owned())))
    }

    /// Loads all keys from a store.
    ///
    /// # Errors
    /// Fails if the store cannot be read.
    pub fn kept_in(store: Box<dyn KeyStore>) -> io::Result<Self> {
        let mut held = Held::default();
        for (tenant, kept) in store.all()? {
            held.take(&tenant, kept);
        }
        Ok(Self {
            inner: Arc::new(Inner {
                store: Some(store),
                held: ArcSwap::from_pointee(held),
                changing: Mutex::default(),
            }),
        })
    }

    /// Whether the tenant has a key that can be used.
    pub fn has(&self, tenant: &TenantName) -> bool {
        self.get(tenant).is_some()
    }

    /// An id that distinguishes the tenant's history from every other history, also from that of a tenant with the same
    /// name elsewhere. It reveals nothing about the key. `None` if the tenant has no key.
    pub fn history_id(&self, tenant: &TenantName) -> Option<String> {
        let key = self.get(tenant)?;
        Some(key.history_id.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The check value of the tenant's key, to be recorded and [expected](Self::expect) from then on. `None` if there
    /// is no usable key.
    pub fn check_of(&self, tenant: &TenantName) -> Option<KeyCheck> {
        self.get(tenant).map(|key| key.check)
    }

    /// Sets the check values of these tenants' keys. From now on other keys of theirs are not used.
    pub fn expect(&self, checks: impl IntoIterator<Item = (TenantName, KeyCheck)>) {
        self.change(|held| {
            for (tenant, check) in checks {
                held.expected.insert(tenant.clone(), check);
                held.compare(&tenant);
            }
        });
    }

    /// What is wrong with the tenant's key: it is damaged, not the expected one, or missing though one is expected.
    /// `None` if the key is good, or if the tenant never had one.
    pub fn problem(&self, tenant: &TenantName) -> Option<KeyProblem> {
        let held = self.inner.held.load();
        let what = match held.keys.get(tenant) {
            Some(Key::Fit(_)) => return None,
            Some(Key::Unfit(what)) => what.clone(),
            None if held.expected.contains_key(tenant) => MISSING.to_owned(),
            None => return None,
        };
        Some(KeyProblem { place: self.place(tenant), what })
    }

    /// Describes where the tenant's key is kept, or would be kept.
    pub fn place(&self, tenant: &TenantName) -> String {
        self.inner.store.as_ref().map_or_else(|| format!("the key of tenant {tenant}"), |store| store.place(tenant))
    }

    /// All tenants whose key cannot be used, with the reason.
    pub fn problems(&self) -> BTreeMap<TenantName, KeyProblem> {
        let held = self.inner.held.load();
        let tenants = held.keys.keys().chain(held.expected.keys());
        tenants.filter_map(|tenant| Some((tenant.clone(), self.problem(tenant)?))).collect()
    }

    /// Creates a key for a tenant that has none. It is durable when this returns, because everything sealed with it
    /// would be lost without it.
    ///
    /// # Errors
    /// Fails if the key cannot be created or stored, or if the tenant has a key that cannot be used.
    pub fn create(&self, tenant: &TenantName) -> io::Result<()> {
        let _changing = self.lock();
        if self.has(tenant) {
            return Ok(());
        }
        if let Some(problem) = self.problem(tenant) {
            return Err(io::Error::other(problem));
        }
        let mut secret = [0; SECRET_BYTES];
        getrandom::fill(&mut secret).map_err(io::Error::other)?;
        if let Some(store) = &self.inner.store {
            secret = store.keep(tenant, &secret)?;
        }
        self.change_locked(|held| held.take(tenant, Ok(secret)));
        Ok(())
    }

    /// Destroys the key, and with it everything that was sealed with it. Does nothing if there is no key.
    ///
    /// # Errors
    /// Fails if the store cannot erase the key. Try again.
    pub fn destroy(&self, tenant: &TenantName) -> io::Result<()> {
        let _changing = self.lock();
        if let Some(store) = &self.inner.store {
            store.erase(tenant)?;
        }
        self.change_locked(|held| held.forget(tenant));
        Ok(())
    }

    /// Drops the tenant's key from memory, after another host destroyed it.
    pub fn forget(&self, tenant: &TenantName) {
        self.change(|held| held.forget(tenant));
    }

    /// Loads the tenant's key from the store, where another host may have put it. Returns whether there is a usable key
    /// now.
    ///
    /// # Errors
    /// Fails if the store cannot be read.
    pub fn look_for(&self, tenant: &TenantName) -> io::Result<bool> {
        let Some(store) = &self.inner.store else { return Ok(false) };
        let Some(kept) = store.find(tenant)? else { return Ok(false) };
        self.change(|held| held.take(tenant, kept));
        Ok(self.has(tenant))
    }

    /// Marks the tenant's key as wrong and stops its use, because intact records cannot be read with it.
    pub(crate) fn does_not_open(&self, tenant: &TenantName) {
        self.change(|held| {
            if let Some(Key::Fit(_)) = held.keys.get(tenant) {
                held.keys.insert(tenant.clone(), Key::Unfit(NOT_THE_KEY.to_owned()));
            }
        });
    }

    /// Marks the tenant's key as missing, because it has sealed records and no key. Until there is a key, none of its
    /// records can be written.
    pub(crate) fn missed(&self, tenant: &TenantName) {
        if !self.inner.held.load().keys.contains_key(tenant) {
            self.change(|held| {
                held.keys.entry(tenant.clone()).or_insert_with(|| Key::Unfit(MISSING.to_owned()));
            });
        }
    }

    /// Copies every usable key into another folder, which is created.
    pub(crate) fn copy_into(&self, target: &Path) -> io::Result<()> {
        let Some(store) = &self.inner.store else { return Ok(()) };
        crate::disk::create_private_folder(target)?;
        let target = KeyFolder(target.to_owned());
        let fit = store.all()?.into_iter().filter_map(|(tenant, kept)| Some((tenant, kept.ok()?)));
        fit.into_iter().try_for_each(|(tenant, secret)| target.keep(&tenant, &secret).map(drop))
    }

    pub(crate) fn get(&self, tenant: &TenantName) -> Option<Arc<TenantKey>> {
        self.get_by_text(tenant.as_str())
    }

    pub(crate) fn get_by_text(&self, tenant: &str) -> Option<Arc<TenantKey>> {
        match self.inner.held.load().keys.get(tenant) {
            Some(Key::Fit(key)) => Some(Arc::clone(key)),
            _ => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.inner.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Held)) {
        let _changing = self.lock();
        self.change_locked(change);
    }

    /// Changes the keys. The caller holds the lock.
    fn change_locked(&self, change: impl FnOnce(&mut Held)) {
        let mut held = Held::clone(&self.inner.held.load());
        change(&mut held);
        debug_assert!(held.is_as_expected(), "a key that is not the expected one is not used");
        self.inner.held.store(Arc::new(held));
    }
}

const MISSING: &str = "is missing";
const NOT_THE_KEY: &str = "is not the key that the tenant's records were sealed with";

impl Held {
    fn take(&mut self, tenant: &TenantName, kept: Kept) {
        let key = match kept {
            Ok(secret) => Key::Fit(Arc::new(TenantKey::new(tenant, &secret))),
            Err(what) => Key::Unfit(what),
        };
        self.keys.insert(tenant.clone(), key);
        self.compare(tenant);
    }

    fn compare(&mut self, tenant: &TenantName) {
        if let (Some(Key::Fit(key)), Some(expected)) = (self.keys.get(tenant), self.expected.get(tenant))
            && key.check != *expected
        {
            self.keys.insert(tenant.clone(), Key::Unfit(NOT_THE_KEY.to_owned()));
        }
    }

    /// Whether each usable key is the expected one, where one is expected.
    fn is_as_expected(&self) -> bool {
        self.expected.iter().all(|(tenant, expected)| match self.keys.get(tenant) {
            Some(Key::Fit(key)) => key.check == *expected,
            Some(Key::Unfit(_)) | None => true,
        })
    }

    fn forget(&mut self, tenant: &TenantName) {
        self.keys.remove(tenant);
        self.expected.remove(tenant);
    }
}

impl TenantKey {
    fn new(tenant: &TenantName, secret: &Secret) -> Self {
        let derive = |context| Aes256Enc::new(&blake3::derive_key(context, secret).into());
        let check = KeyCheck::of(tenant, secret);
        let mut history_id = [0; HISTORY_ID_BYTES];
        history_id.copy_from_slice(&blake3::derive_key(HISTORY_CONTEXT, secret)[..HISTORY_ID_BYTES]);
        Self { records: derive(RECORDS_CONTEXT), snapshots: derive(SNAPSHOTS_CONTEXT), history_id, check }
    }
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyring").finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "keyring_tests.rs"]
mod tests;
