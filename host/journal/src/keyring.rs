//! The tenants' keys. What a journal holds of a tenant is sealed with the tenant's own key: a journal's bytes never change, so destroying
//! the key is how a tenant's data is destroyed in it. Where keys are kept is a [`KeyStore`]'s: a folder, unless several hosts share them.
//!
//! Two keys are derived from what is kept (BLAKE3's key derivation): one for records, one for snapshots of states.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use aes::Aes256Enc;
use aes::cipher::KeyInit as _;
use polder_core::TenantName;

mod folder;

use folder::KeyFolder;

const SECRET_BYTES: usize = 32;
const HISTORY_ID_BYTES: usize = 16;
const RECORDS_CONTEXT: &str = "polder journal 2026-11-21 records of one tenant";
const HISTORY_CONTEXT: &str = "polder journal 2026-11-30 id of one tenant's history";
const SNAPSHOTS_CONTEXT: &str = "polder journal 2026-11-21 snapshots of one tenant";

/// What a tenant's keys are derived from.
pub type Secret = [u8; SECRET_BYTES];

/// Keeps the tenants' secrets.
pub trait KeyStore: Send + Sync {
    fn all(&self) -> io::Result<Vec<(TenantName, Secret)>>;

    fn find(&self, tenant: &TenantName) -> io::Result<Option<Secret>>;

    /// Durable when it returns. Gives the secret that counts: another one, when the tenant has one already.
    fn keep(&self, tenant: &TenantName, secret: &Secret) -> io::Result<Secret>;

    /// Nobody can have it back. Without one there is nothing to do.
    fn erase(&self, tenant: &TenantName) -> io::Result<()>;
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
    keys: RwLock<HashMap<TenantName, Arc<TenantKey>>>,
}

pub(crate) struct TenantKey {
    pub(crate) records: Aes256Enc,
    pub(crate) snapshots: Aes256Enc,
    history_id: [u8; HISTORY_ID_BYTES],
}

impl Keyring {
    /// With the keys in a folder, which is made when it is not there.
    ///
    /// # Errors
    /// When the folder cannot be used, or a file in it is no key.
    pub fn open(folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
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
    /// When the keys cannot be read.
    pub fn kept_in(store: Box<dyn KeyStore>) -> io::Result<Self> {
        let keys = store.all()?.into_iter().map(|(tenant, secret)| (tenant, Arc::new(TenantKey::new(&secret))));
        let keys = RwLock::new(keys.collect());
        Ok(Self { inner: Arc::new(Inner { store: Some(store), keys }) })
    }

    pub fn has(&self, tenant: &TenantName) -> bool {
        self.get(tenant).is_some()
    }

    /// Tells the tenant's history from every other one, also from that of a tenant of the same name elsewhere. It says nothing of the key.
    /// `None`: the tenant has no key.
    pub fn history_id(&self, tenant: &TenantName) -> Option<String> {
        let key = self.get(tenant)?;
        Some(key.history_id.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Makes a key for a tenant that has none. Durable when it returns: what is sealed with it is lost without it.
    ///
    /// # Errors
    /// When the key cannot be made or kept; the tenant has none then.
    pub fn create(&self, tenant: &TenantName) -> io::Result<()> {
        let mut keys = self.inner.keys.write().unwrap_or_else(PoisonError::into_inner);
        if keys.contains_key(tenant) {
            return Ok(());
        }
        let mut secret = [0; SECRET_BYTES];
        getrandom::fill(&mut secret).map_err(io::Error::other)?;
        if let Some(store) = &self.inner.store {
            secret = store.keep(tenant, &secret)?;
        }
        keys.insert(tenant.clone(), Arc::new(TenantKey::new(&secret)));
        Ok(())
    }

    /// Destroys the key, and with it everything that was sealed with it. Without a key there is nothing to do.
    ///
    /// # Errors
    /// When the file cannot be overwritten or removed; to be tried again.
    pub fn destroy(&self, tenant: &TenantName) -> io::Result<()> {
        let mut keys = self.inner.keys.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = &self.inner.store {
            store.erase(tenant)?;
        }
        keys.remove(tenant);
        Ok(())
    }

    /// Another host destroyed the tenant's key: it is not to be used here either.
    pub fn forget(&self, tenant: &TenantName) {
        self.inner.keys.write().unwrap_or_else(PoisonError::into_inner).remove(tenant);
    }

    /// Looks where keys are kept for one that was made by another host. False when there is none.
    pub(crate) fn look_for(&self, tenant: &TenantName) -> io::Result<bool> {
        let Some(store) = &self.inner.store else { return Ok(false) };
        let Some(secret) = store.find(tenant)? else { return Ok(false) };
        let mut keys = self.inner.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.insert(tenant.clone(), Arc::new(TenantKey::new(&secret)));
        Ok(true)
    }

    /// Leaves another copy in a folder, which is made.
    pub(crate) fn copy_into(&self, target: &Path) -> io::Result<()> {
        let Some(store) = &self.inner.store else { return Ok(()) };
        std::fs::create_dir_all(target)?;
        let target = KeyFolder(target.to_owned());
        store.all()?.iter().try_for_each(|(tenant, secret)| target.keep(tenant, secret).map(drop))
    }

    pub(crate) fn get(&self, tenant: &TenantName) -> Option<Arc<TenantKey>> {
        self.get_by_text(tenant.as_str())
    }

    pub(crate) fn get_by_text(&self, tenant: &str) -> Option<Arc<TenantKey>> {
        self.inner.keys.read().unwrap_or_else(PoisonError::into_inner).get(tenant).cloned()
    }
}

impl TenantKey {
    fn new(secret: &Secret) -> Self {
        let derive = |context| Aes256Enc::new(&blake3::derive_key(context, secret).into());
        let mut history_id = [0; HISTORY_ID_BYTES];
        history_id.copy_from_slice(&blake3::derive_key(HISTORY_CONTEXT, secret)[..HISTORY_ID_BYTES]);
        Self { records: derive(RECORDS_CONTEXT), snapshots: derive(SNAPSHOTS_CONTEXT), history_id }
    }
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyring").finish_non_exhaustive()
    }
}
