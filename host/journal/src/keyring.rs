//! The tenants' keys, one small file each. What a journal holds of a tenant is sealed with the tenant's own key: a journal's bytes never
//! change, so destroying the key is how a tenant's data is destroyed in it.
//!
//! Two keys are derived from what a file holds (BLAKE3's key derivation): one for records, one for snapshots of states.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use aes::Aes256Enc;
use aes::cipher::KeyInit as _;
use polder_core::TenantName;

const SECRET_BYTES: usize = 32;
const SUFFIX: &str = ".key";
/// Readable by the host's user alone.
const FILE_MODE: u32 = 0o600;
const RECORDS_CONTEXT: &str = "polder journal 2026-11-21 records of one tenant";
const SNAPSHOTS_CONTEXT: &str = "polder journal 2026-11-21 snapshots of one tenant";

type Secret = [u8; SECRET_BYTES];

/// The keys of all tenants that have one. Clones share it.
#[derive(Clone, Default)]
pub struct Keyring {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    /// `None`: nothing outlives the process.
    folder: Option<PathBuf>,
    keys: RwLock<HashMap<TenantName, Arc<TenantKey>>>,
}

pub(crate) struct TenantKey {
    pub(crate) records: Aes256Enc,
    pub(crate) snapshots: Aes256Enc,
}

impl Keyring {
    /// With the keys in a folder, which is made when it is not there.
    ///
    /// # Errors
    /// When the folder cannot be used, or a file in it is no key.
    pub fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Self::read(folder)
    }

    /// As [`Keyring::open`], and changes nothing: without the folder there are no keys.
    ///
    /// # Errors
    /// As for [`Keyring::open`].
    pub fn read(folder: &Path) -> io::Result<Self> {
        let mut keys = HashMap::new();
        for tenant in tenants_in(folder)? {
            let path = path(folder, &tenant);
            let secret = fs::read(&path)?.try_into().map_err(|bytes: Vec<u8>| {
                let found = bytes.len();
                let problem =
                    format!("{} has {found} bytes; a key has {SECRET_BYTES}: restore it from a copy", path.display());
                io::Error::new(io::ErrorKind::InvalidData, problem)
            })?;
            keys.insert(tenant, Arc::new(TenantKey::new(&secret)));
        }
        Ok(Self { inner: Arc::new(Inner { folder: Some(folder.to_owned()), keys: RwLock::new(keys) }) })
    }

    pub fn has(&self, tenant: &TenantName) -> bool {
        self.get(tenant).is_some()
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
        if let Some(folder) = &self.inner.folder {
            keep(folder, tenant, &secret)?;
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
        if let Some(folder) = &self.inner.folder {
            erase(folder, tenant)?;
        }
        keys.remove(tenant);
        Ok(())
    }

    /// Leaves another copy in a folder, which is made.
    pub(crate) fn copy_into(&self, target: &Path) -> io::Result<()> {
        let Some(folder) = &self.inner.folder else { return Ok(()) };
        fs::create_dir_all(target)?;
        for tenant in tenants_in(folder)? {
            let secret = fs::read(path(folder, &tenant))?;
            keep(target, &tenant, &secret)?;
        }
        Ok(())
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
        Self { records: derive(RECORDS_CONTEXT), snapshots: derive(SNAPSHOTS_CONTEXT) }
    }
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyring").field("folder", &self.inner.folder).finish_non_exhaustive()
    }
}

fn path(folder: &Path, tenant: &TenantName) -> PathBuf {
    folder.join(format!("{tenant}{SUFFIX}"))
}

fn tenants_in(folder: &Path) -> io::Result<Vec<TenantName>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut tenants = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        // Anything else is somebody else's, or a key that was never finished.
        let tenant = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
        tenants.extend(tenant.and_then(|tenant| TenantName::new(tenant).ok()));
    }
    Ok(tenants)
}

fn keep(folder: &Path, tenant: &TenantName, secret: &[u8]) -> io::Result<()> {
    let (path, unfinished) = (path(folder, tenant), folder.join(format!("{tenant}.part")));
    let mut file = File::options().create(true).truncate(true).write(true).mode(FILE_MODE).open(&unfinished)?;
    file.write_all(secret)?;
    file.sync_all()?;
    fs::rename(&unfinished, &path)?;
    File::open(folder)?.sync_all()
}

fn erase(folder: &Path, tenant: &TenantName) -> io::Result<()> {
    let path = path(folder, tenant);
    match File::options().write(true).open(&path) {
        Ok(file) => {
            // Removing a file leaves its bytes where they were.
            file.write_all_at(&[0; SECRET_BYTES], 0)?;
            file.sync_all()?;
            fs::remove_file(&path)?;
            File::open(folder)?.sync_all()
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant() -> TenantName {
        TenantName::new("acme").unwrap()
    }

    #[test]
    fn a_key_outlives_the_process_until_it_is_destroyed() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keyring::open(folder.path()).unwrap();
        assert!(!keys.has(&tenant()));
        keys.create(&tenant()).unwrap();
        let secret = fs::read(path(folder.path(), &tenant())).unwrap();
        keys.create(&tenant()).unwrap();
        assert_eq!(fs::read(path(folder.path(), &tenant())).unwrap(), secret, "there is one already");
        assert!(Keyring::open(folder.path()).unwrap().has(&tenant()));
        keys.destroy(&tenant()).unwrap();
        keys.destroy(&tenant()).unwrap();
        assert!(!keys.has(&tenant()) && !Keyring::open(folder.path()).unwrap().has(&tenant()));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn two_tenants_have_two_keys() {
        let folder = tempfile::tempdir().unwrap();
        let (keys, other) = (Keyring::open(folder.path()).unwrap(), TenantName::new("other").unwrap());
        keys.create(&tenant()).unwrap();
        keys.create(&other).unwrap();
        let read = |tenant| fs::read(path(folder.path(), tenant)).unwrap();
        assert_ne!(read(&tenant()), read(&other));
        keys.destroy(&other).unwrap();
        assert!(keys.has(&tenant()));
    }

    #[test]
    fn a_key_cut_short_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(path(folder.path(), &tenant()), [1; 31]).unwrap();
        assert!(Keyring::open(folder.path()).unwrap_err().to_string().contains("acme.key has 31 bytes; a key has 32"));
    }

    #[test]
    fn looking_makes_no_folder() {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("keys");
        assert!(!Keyring::read(&keys).unwrap().has(&tenant()));
        assert!(!keys.exists());
    }
}
