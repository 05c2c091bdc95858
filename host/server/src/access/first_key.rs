//! The proof that protects the first key of a running host. While the host has no keys, any caller that reaches it may
//! do everything but add a key: the first key locks out all other callers, so its caller must prove that it can read
//! the data folder.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::http::HeaderMap;

/// The file in the data folder that holds the proof. Only its owner can read it.
pub const FIRST_KEY_FILE: &str = "first-key-proof";
const FILE_MODE: u32 = 0o600;
/// The header of a request that repeats the file's content.
pub(crate) const FIRST_KEY_HEADER: &str = "first-key-proof";

/// The content of the proof file of a host without keys. The file is removed when the host ends.
#[derive(Clone)]
pub struct FirstKeyProof(Arc<Proof>);

struct Proof {
    file: PathBuf,
    secret: String,
}

/// Marks a request whose proof was verified, by this host or by the host that forwarded it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FirstKeyProven;

impl FirstKeyProof {
    /// Writes a new file, so that the proof of an earlier process is void.
    pub fn write(data: &Path) -> io::Result<Self> {
        let file = data.join(FIRST_KEY_FILE);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // Two random UUIDs have 244 random bits.
        let secret = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        let mut opened = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&file)?;
        writeln!(opened, "{secret}")?;
        Ok(Self(Arc::new(Proof { file, secret })))
    }

    pub(crate) fn is_in(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(FIRST_KEY_HEADER).iter();
        match (values.next(), values.next()) {
            // Compares digests, so that the duration reveals nothing about the secret.
            (Some(given), None) => blake3::hash(given.as_bytes()) == blake3::hash(self.0.secret.as_bytes()),
            _ => false,
        }
    }
}

impl Drop for Proof {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.file) {
            tracing::debug!(%error, "cannot remove the proof for a first key");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_of_the_file_is_the_proof() {
        let folder = std::env::temp_dir().join(format!("polder-first-key-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&folder).unwrap();
        let old = FirstKeyProof::write(&folder).unwrap();
        let proof = FirstKeyProof::write(&folder).unwrap();
        let held = fs::read_to_string(folder.join(FIRST_KEY_FILE)).unwrap();
        let mut headers = HeaderMap::new();
        assert!(!proof.is_in(&headers));
        headers.append(FIRST_KEY_HEADER, held.trim().parse().unwrap());
        assert!(proof.is_in(&headers) && !old.is_in(&headers));
        headers.append(FIRST_KEY_HEADER, held.trim().parse().unwrap());
        assert!(!proof.is_in(&headers));
        drop((proof, old));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        fs::remove_dir(folder).unwrap();
    }
}
