//! Private keys on disk: one file per key, which only its owner can read.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::signing_keys::{KeyError, KeyId, SigningKey};

const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
/// Permission bits of all users but the owner.
const OTHERS_MODE: u32 = 0o077;
const EXTENSION: &str = "key";

/// A folder of private keys: `keys/` in a data folder.
#[derive(Debug, Clone)]
pub struct KeyFolder(PathBuf);

#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    #[error("cannot use {}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{} can be read by others (mode {mode:o}): `chmod 600` it, and revoke the key if they may have read it", path.display())]
    Exposed { path: PathBuf, mode: u32 },
    #[error("{} holds no private key: {source}", path.display())]
    Key { path: PathBuf, source: KeyError },
}

impl KeyFolder {
    pub fn of_data(data: &Path) -> Self {
        Self(data.join("keys"))
    }

    /// Writes a new key and returns the path of its file. Fails if the file exists.
    pub fn keep(&self, key: &SigningKey) -> Result<PathBuf, KeyFileError> {
        let made = DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(&self.0);
        made.map_err(|source| KeyFileError::File { path: self.0.clone(), source })?;
        let path = self.path(&key.id());
        write(&path, key).and_then(|()| File::open(&self.0)?.sync_all()).map_err(|source| file_error(&path, source))?;
        Ok(path)
    }

    pub fn read(&self, id: &KeyId) -> Result<SigningKey, KeyFileError> {
        Self::read_file(&self.path(id))
    }

    pub fn read_file(path: &Path) -> Result<SigningKey, KeyFileError> {
        let failed = |source| file_error(path, source);
        let mode = fs::metadata(path).map_err(failed)?.mode() & 0o777;
        if mode & OTHERS_MODE != 0 {
            return Err(KeyFileError::Exposed { path: path.to_owned(), mode });
        }
        let text = fs::read_to_string(path).map_err(failed)?;
        text.parse().map_err(|source| KeyFileError::Key { path: path.to_owned(), source })
    }

    /// The ids of the private keys in this folder, sorted. Empty if the folder does not exist.
    pub fn list(&self) -> Result<Vec<KeyId>, KeyFileError> {
        let failed = |source| file_error(&self.0, source);
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut ids = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            let id = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
            ids.extend(id.filter(|_| path.extension().is_some_and(|extension| extension == EXTENSION)));
        }
        ids.sort();
        Ok(ids)
    }

    /// Deletes a private key. Succeeds if the key is not here.
    pub fn remove(&self, id: &KeyId) -> Result<(), KeyFileError> {
        let path = self.path(id);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(file_error(&path, source)),
            _ => Ok(()),
        }
    }

    fn path(&self, id: &KeyId) -> PathBuf {
        self.0.join(format!("{id}.{EXTENSION}"))
    }
}

fn write(path: &Path, key: &SigningKey) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)?;
    writeln!(file, "{}", key.to_digits())?;
    file.sync_all()
}

fn file_error(path: &Path, source: io::Error) -> KeyFileError {
    KeyFileError::File { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn a_key_is_kept_for_its_owner_alone() {
        let data = tempfile::tempdir().unwrap();
        let folder = KeyFolder::of_data(data.path());
        assert_eq!(folder.list().unwrap(), []);
        let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        let path = folder.keep(&key).unwrap();
        folder.keep(&other).unwrap();
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (FILE_MODE, FOLDER_MODE));
        assert_eq!(folder.read(&key.id()).unwrap().public_key(), key.public_key());
        let mut ids = vec![key.id(), other.id()];
        ids.sort();
        assert_eq!(folder.list().unwrap(), ids);
        assert!(matches!(folder.keep(&key), Err(KeyFileError::File { .. })), "a key is never written over");
        folder.remove(&key.id()).unwrap();
        folder.remove(&key.id()).unwrap();
        assert_eq!(folder.list().unwrap(), [other.id()]);
    }

    #[test]
    fn a_key_that_others_can_read_is_not_used() {
        let data = tempfile::tempdir().unwrap();
        let folder = KeyFolder::of_data(data.path());
        let key = SigningKey::generate().unwrap();
        let path = folder.keep(&key).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        assert!(folder.read(&key.id()).unwrap_err().to_string().contains("can be read by others (mode 640)"));
        fs::set_permissions(&path, Permissions::from_mode(FILE_MODE)).unwrap();
        fs::write(&path, "no key").unwrap();
        assert!(folder.read(&key.id()).unwrap_err().to_string().contains("holds no private key"));
    }
}
