//! Keys in a folder, one small file per tenant. The file holds the secret and its check value.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use polder_core::TenantName;

use super::check::{CHECK_BYTES, KeyCheck};
use super::store::{Kept, KeyStore, SECRET_BYTES, Secret};

const SUFFIX: &str = ".key";
const FILE_BYTES: usize = SECRET_BYTES + CHECK_BYTES;
/// Readable and writable only by the host's user.
const FILE_MODE: u32 = 0o600;
/// Permission bits of other users. A key file must have none of them.
const OTHERS_MODE: u32 = 0o077;

pub(super) struct KeyFolder(pub(super) PathBuf);

impl KeyStore for KeyFolder {
    fn all(&self) -> io::Result<Vec<(TenantName, Kept)>> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut all = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            // Any other file belongs to another program, or is a key that was never completed.
            let tenant = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
            let Some(tenant) = tenant.and_then(|tenant| TenantName::new(tenant).ok()) else { continue };
            all.extend(self.find(&tenant)?.map(|kept| (tenant, kept)));
        }
        Ok(all)
    }

    /// An unreadable file is a problem of its tenant, and not an error of the store.
    fn find(&self, tenant: &TenantName) -> io::Result<Option<Kept>> {
        match read(&self.path(tenant)) {
            Ok(bytes) => Ok(Some(bytes.and_then(|bytes| parse(tenant, &bytes)))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Ok(Some(Err(format!("cannot be read: {error}")))),
        }
    }

    fn keep(&self, tenant: &TenantName, secret: &Secret) -> io::Result<Secret> {
        let (path, unfinished) = (self.path(tenant), self.0.join(format!("{tenant}.part")));
        let mut file = File::options().create(true).truncate(true).write(true).mode(FILE_MODE).open(&unfinished)?;
        file.write_all(&[secret.as_slice(), &KeyCheck::of(tenant, secret).0].concat())?;
        file.sync_all()?;
        fs::rename(&unfinished, &path)?;
        File::open(&self.0)?.sync_all()?;
        // The folder is locked by this host, so no other host can have stored a key first.
        Ok(*secret)
    }

    fn erase(&self, tenant: &TenantName) -> io::Result<()> {
        let path = self.path(tenant);
        match File::options().write(true).open(&path) {
            Ok(file) => {
                // Removing a file does not erase its bytes from the disk, so overwrite them first.
                file.write_all_at(&[0; FILE_BYTES], 0)?;
                file.sync_all()?;
                fs::remove_file(&path)?;
                File::open(&self.0)?.sync_all()
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn place(&self, tenant: &TenantName) -> String {
        self.path(tenant).display().to_string()
    }
}

impl KeyFolder {
    fn path(&self, tenant: &TenantName) -> PathBuf {
        self.0.join(format!("{tenant}{SUFFIX}"))
    }
}

/// Reads at most one byte more than a key has, enough to detect a file that is too long.
fn read(path: &std::path::Path) -> io::Result<Result<Vec<u8>, String>> {
    let file = File::open(path)?;
    let mode = file.metadata()?.mode() & 0o777;
    if mode & OTHERS_MODE != 0 {
        return Ok(Err(format!(
            "can be read or written by others (mode {mode:o}): `chmod 600` it, and ask who has read it"
        )));
    }
    let mut bytes = Vec::with_capacity(FILE_BYTES + 1);
    file.take(FILE_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(Ok(bytes))
}

/// Parses a key file of this tenant and returns the secret.
pub(super) fn parse(tenant: &TenantName, bytes: &[u8]) -> Kept {
    let Some((secret, check)) = bytes.split_first_chunk::<SECRET_BYTES>() else {
        return Err(wrong_length(bytes.len()));
    };
    let Ok(check) = <[u8; CHECK_BYTES]>::try_from(check) else { return Err(wrong_length(bytes.len())) };
    if KeyCheck::of(tenant, secret) != KeyCheck(check) {
        return Err("is damaged, or is the key of another tenant: its check value does not match".to_owned());
    }
    Ok(*secret)
}

fn wrong_length(found: usize) -> String {
    let found = if found > FILE_BYTES { format!("more than {FILE_BYTES}") } else { found.to_string() };
    format!("is damaged: it has {found} bytes, a key has {FILE_BYTES}")
}
