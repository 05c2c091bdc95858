//! Keys in a folder, one small file each.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use polder_core::TenantName;

use super::{KeyStore, SECRET_BYTES, Secret};

const SUFFIX: &str = ".key";
/// Readable by the host's user alone.
const FILE_MODE: u32 = 0o600;

pub(super) struct KeyFolder(pub(super) PathBuf);

impl KeyStore for KeyFolder {
    fn all(&self) -> io::Result<Vec<(TenantName, Secret)>> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut all = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            // Anything else is somebody else's, or a key that was never finished.
            let tenant = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
            let Some(tenant) = tenant.and_then(|tenant| TenantName::new(tenant).ok()) else { continue };
            all.extend(self.find(&tenant)?.map(|secret| (tenant, secret)));
        }
        Ok(all)
    }

    fn find(&self, tenant: &TenantName) -> io::Result<Option<Secret>> {
        let path = self.path(tenant);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let secret = bytes.try_into().map_err(|bytes: Vec<u8>| {
            let found = bytes.len();
            let problem =
                format!("{} has {found} bytes; a key has {SECRET_BYTES}: restore it from a copy", path.display());
            io::Error::new(io::ErrorKind::InvalidData, problem)
        })?;
        Ok(Some(secret))
    }

    fn keep(&self, tenant: &TenantName, secret: &Secret) -> io::Result<Secret> {
        let (path, unfinished) = (self.path(tenant), self.0.join(format!("{tenant}.part")));
        let mut file = File::options().create(true).truncate(true).write(true).mode(FILE_MODE).open(&unfinished)?;
        file.write_all(secret)?;
        file.sync_all()?;
        fs::rename(&unfinished, &path)?;
        File::open(&self.0)?.sync_all()?;
        // One host has the folder: nobody can have been faster.
        Ok(*secret)
    }

    fn erase(&self, tenant: &TenantName) -> io::Result<()> {
        let path = self.path(tenant);
        match File::options().write(true).open(&path) {
            Ok(file) => {
                // Removing a file leaves its bytes where they were.
                file.write_all_at(&[0; SECRET_BYTES], 0)?;
                file.sync_all()?;
                fs::remove_file(&path)?;
                File::open(&self.0)?.sync_all()
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl KeyFolder {
    fn path(&self, tenant: &TenantName) -> PathBuf {
        self.0.join(format!("{tenant}{SUFFIX}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Keyring;

    fn tenant() -> TenantName {
        TenantName::new("acme").unwrap()
    }

    #[test]
    fn a_key_outlives_the_process_until_it_is_destroyed() {
        let folder = tempfile::tempdir().unwrap();
        let (keys, kept) = (Keyring::open(folder.path()).unwrap(), KeyFolder(folder.path().to_owned()));
        assert!(!keys.has(&tenant()));
        keys.create(&tenant()).unwrap();
        let secret = kept.find(&tenant()).unwrap();
        assert!(secret.is_some());
        keys.create(&tenant()).unwrap();
        assert_eq!(kept.find(&tenant()).unwrap(), secret, "there is one already");
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
        let kept = KeyFolder(folder.path().to_owned());
        assert_ne!(kept.find(&tenant()).unwrap(), kept.find(&other).unwrap());
        keys.destroy(&other).unwrap();
        assert!(keys.has(&tenant()));
    }

    #[test]
    fn a_key_cut_short_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(KeyFolder(folder.path().to_owned()).path(&tenant()), [1; 31]).unwrap();
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
