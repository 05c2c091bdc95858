//! The tenants' keys. What a journal holds of a tenant is sealed with the tenant's own key: a journal's bytes never change, so destroying
//! the key is how a tenant's data is destroyed in it. Where keys are kept is a [`KeyStore`]'s: a folder, unless several hosts share them.
//!
//! Two keys are derived from what is kept (BLAKE3's key derivation): one for records, one for snapshots of states.
//!
//! A key that is damaged, or is not the one that the tenant's records were sealed with, is never used: nothing is sealed or opened with it,
//! and [`Keyring::problem`] says what is wrong. It concerns its tenant alone.

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

pub use check::{KeyCheck, KeyCheckError};
use folder::KeyFolder;

const SECRET_BYTES: usize = 32;
const HISTORY_ID_BYTES: usize = 16;
const RECORDS_CONTEXT: &str = "polder journal 2026-11-21 records of one tenant";
const HISTORY_CONTEXT: &str = "polder journal 2026-11-30 id of one tenant's history";
const SNAPSHOTS_CONTEXT: &str = "polder journal 2026-11-21 snapshots of one tenant";

/// What a tenant's keys are derived from.
pub type Secret = [u8; SECRET_BYTES];

/// What a store has of one tenant: its secret, or what is wrong with what is kept there.
pub type Kept = Result<Secret, String>;

/// Keeps the tenants' secrets. An error is the store's own trouble; what is wrong with one tenant's key is in its [`Kept`].
pub trait KeyStore: Send + Sync {
    fn all(&self) -> io::Result<Vec<(TenantName, Kept)>>;

    fn find(&self, tenant: &TenantName) -> io::Result<Option<Kept>>;

    /// Durable when it returns. Gives the secret that counts: another one, when the tenant has one already.
    fn keep(&self, tenant: &TenantName, secret: &Secret) -> io::Result<Secret>;

    /// Nobody can have it back. Without one there is nothing to do.
    fn erase(&self, tenant: &TenantName) -> io::Result<()>;

    /// Where the tenant's key is kept, for messages.
    fn place(&self, tenant: &TenantName) -> String;
}

/// Why a tenant's key is not used. The operator restores the right one from a copy and starts the host again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place} {what}")]
pub struct KeyProblem {
    pub place: String,
    pub what: String,
}

/// The keys of all tenants that have one. Clones share it.
#[derive(Clone, Default)]
pub struct Keyring {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    /// `None`: nothing outlives the process.
    store: Option<Box<dyn KeyStore>>,
    /// Readers take a snapshot and never wait: a store may sync a file, or ask over the network.
    held: ArcSwap<Held>,
    /// Held by the thread that changes keys.
    changing: Mutex<()>,
}

#[derive(Clone, Default)]
struct Held {
    keys: HashMap<TenantName, Key>,
    /// The check value of the key that each tenant's records were sealed with, as it was recorded.
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
    /// With the keys in a folder, which is made when it is not there.
    ///
    /// # Errors
    /// When the folder cannot be used. A file in it that is no key is its tenant's [problem](Self::problem).
    pub fn open(folder: &Path) -> io::Result<Self> {
        crate::disk::create_private_folder(folder)?;
        Self::read(folder)
    }

    /// As [`Keyring::open`], and changes nothing: without the folder there are no keys.
    ///
    /// # Errors
    /// As for [`Keyring::open`].
    pub fn read(folder: &Path) -> io::Result<Self> {
        Self::kept_in(Box::new(KeyFolder(folder.to_owned())))
    }

    /// # Errors
    /// When the store cannot be read.
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

    /// The tenant has a key that can be used.
    pub fn has(&self, tenant: &TenantName) -> bool {
        self.get(tenant).is_some()
    }

    /// Tells the tenant's history from every other one, also from that of a tenant of the same name elsewhere. It says nothing of the key.
    /// `None`: the tenant has no key.
    pub fn history_id(&self, tenant: &TenantName) -> Option<String> {
        let key = self.get(tenant)?;
        Some(key.history_id.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The check value of the tenant's key, to be recorded and [expected](Self::expect) from then on. `None` without a key that can be used.
    pub fn check_of(&self, tenant: &TenantName) -> Option<KeyCheck> {
        self.get(tenant).map(|key| key.check)
    }

    /// From now on only keys with these check values are used for these tenants.
    pub fn expect(&self, checks: impl IntoIterator<Item = (TenantName, KeyCheck)>) {
        self.change(|held| {
            for (tenant, check) in checks {
                held.expected.insert(tenant.clone(), check);
                held.compare(&tenant);
            }
        });
    }

    /// What is wrong with the tenant's key: it is damaged, not the one expected, or missing though one is expected. `None` too for a tenant
    /// that never had one.
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

    /// Where the tenant's key is kept, or would be.
    pub fn place(&self, tenant: &TenantName) -> String {
        self.inner.store.as_ref().map_or_else(|| format!("the key of tenant {tenant}"), |store| store.place(tenant))
    }

    /// All tenants whose key cannot be used, with what is wrong.
    pub fn problems(&self) -> BTreeMap<TenantName, KeyProblem> {
        let held = self.inner.held.load();
        let tenants = held.keys.keys().chain(held.expected.keys());
        tenants.filter_map(|tenant| Some((tenant.clone(), self.problem(tenant)?))).collect()
    }

    /// Makes a key for a tenant that has none. Durable when it returns: what is sealed with it is lost without it.
    ///
    /// # Errors
    /// When the key cannot be made or kept, or the tenant had another one: it has none then.
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

    /// Destroys the key, and with it everything that was sealed with it. Without a key there is nothing to do.
    ///
    /// # Errors
    /// When the file cannot be overwritten or removed; to be tried again.
    pub fn destroy(&self, tenant: &TenantName) -> io::Result<()> {
        let _changing = self.lock();
        if let Some(store) = &self.inner.store {
            store.erase(tenant)?;
        }
        self.change_locked(|held| held.forget(tenant));
        Ok(())
    }

    /// Another host destroyed the tenant's key: it is not to be used here either.
    pub fn forget(&self, tenant: &TenantName) {
        self.change(|held| held.forget(tenant));
    }

    /// Looks where keys are kept for one that was made by another host. False when there is none that can be used.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn look_for(&self, tenant: &TenantName) -> io::Result<bool> {
        let Some(store) = &self.inner.store else { return Ok(false) };
        let Some(kept) = store.find(tenant)? else { return Ok(false) };
        self.change(|held| held.take(tenant, kept));
        Ok(self.has(tenant))
    }

    /// Records that are whole cannot be read with the tenant's key: it is another's, and nothing may be done with it.
    pub(crate) fn does_not_open(&self, tenant: &TenantName) {
        self.change(|held| {
            if let Some(Key::Fit(_)) = held.keys.get(tenant) {
                held.keys.insert(tenant.clone(), Key::Unfit(NOT_THE_KEY.to_owned()));
            }
        });
    }

    /// There are records of the tenant, and no key: nothing of it may be written either, until there is one.
    pub(crate) fn missed(&self, tenant: &TenantName) {
        if !self.inner.held.load().keys.contains_key(tenant) {
            self.change(|held| {
                held.keys.entry(tenant.clone()).or_insert_with(|| Key::Unfit(MISSING.to_owned()));
            });
        }
    }

    /// Leaves another copy of every key that can be used in a folder, which is made.
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

    /// By the thread that holds the lock.
    fn change_locked(&self, change: impl FnOnce(&mut Held)) {
        let mut held = Held::clone(&self.inner.held.load());
        change(&mut held);
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
