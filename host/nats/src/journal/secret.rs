//! The secret that the hosts of one cluster share. Each host uses it to mark what it writes at NATS, and so can
//! distinguish messages of the cluster from those of other clients. It is in a file that an operator copies to every
//! host.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

const SECRET_BYTES: usize = 32;
/// Maximum length of the file in bytes: two hex digits per byte, and a line end.
const FILE_BYTES_MAX: u64 = 2 * SECRET_BYTES as u64 + 2;
const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;
/// Permissions of users other than the owner.
const OTHERS: u32 = 0o077;

#[derive(Clone)]
pub struct JournalSecret([u8; SECRET_BYTES]);

impl JournalSecret {
    /// Reads the secret from a file. Returns `None` if there is no such file.
    ///
    /// # Errors
    /// Fails if the file cannot be read, other users may read it, or it holds no secret.
    pub fn read(path: &Path) -> io::Result<Option<Self>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mode = file.metadata()?.mode() & 0o777;
        if mode & OTHERS != 0 {
            return Err(io::Error::other(format!("others may read it (mode {mode:o}): chmod 600 it")));
        }
        let mut text = String::new();
        // One byte more than a secret has is enough to detect a file that is too long.
        file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
        let digits = Some(text.trim_end()).filter(|_| text.len() as u64 <= FILE_BYTES_MAX);
        let bad = || io::Error::other("it holds no secret: copy it from another host of the cluster");
        digits.and_then(Self::parse).ok_or_else(bad).map(Some)
    }

    /// Makes a secret and its file, which must not exist. The file appears complete: a process that is killed in
    /// between leaves no partial file.
    ///
    /// # Errors
    /// Fails if the file exists or cannot be written.
    pub fn make(path: &Path) -> io::Result<Self> {
        let mut secret = [0; SECRET_BYTES];
        getrandom::fill(&mut secret).map_err(io::Error::other)?;
        if let Some(folder) = path.parent() {
            DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder)?;
        }
        let draft = path.with_extension(format!("draft-{}", uuid::Uuid::new_v4().simple()));
        let digits: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let made = write_new(&draft, &digits).and_then(|()| fs::hard_link(&draft, path));
        let removed = fs::remove_file(&draft);
        made?;
        removed?;
        Ok(Self(secret))
    }

    fn parse(digits: &str) -> Option<Self> {
        let mut secret = [0; SECRET_BYTES];
        let is_text = digits.len() == 2 * SECRET_BYTES && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        for (byte, at) in secret.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(digits.get(at..at + 2).filter(|_| is_text)?, 16).ok()?;
        }
        Some(Self(secret))
    }

    /// The keys for the marks of one journal.
    pub(super) fn marks(&self, journal: &str) -> Marks {
        let key = |purpose: &str| {
            let mut material = self.0.to_vec();
            material.extend_from_slice(journal.as_bytes());
            blake3::derive_key(&format!("polder 2026-11-30 journal at NATS: {purpose}"), &material)
        };
        Marks {
            frames: key("frames"),
            tenant_keys: key("tenant keys"),
            lease: key("lease"),
            presence: key("presence"),
            host_line: key("host line"),
            id: key("id"),
        }
    }
}

fn write_new(path: &Path, line: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)?;
    writeln!(file, "{line}")?;
    file.sync_all()
}

impl std::fmt::Debug for JournalSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JournalSecret")
    }
}

pub(super) type Key = [u8; blake3::KEY_LEN];

/// Keys to mark messages with, one for each kind of message, so that a message of one kind never passes for another.
pub(super) struct Marks {
    pub(super) frames: Key,
    pub(super) tenant_keys: Key,
    pub(super) lease: Key,
    pub(super) presence: Key,
    pub(super) host_line: Key,
    id: Key,
}

/// Length of a mark, in bytes.
const MARK_BYTES: usize = 16;

impl Marks {
    /// A name for the secret that reveals nothing about it.
    pub(super) fn id(&self) -> String {
        mark(&self.id, &[])
    }
}

/// A keyed digest of the parts, as text.
pub(super) fn mark(key: &Key, parts: &[&[u8]]) -> String {
    digits(&digest(key, parts))
}

/// Whether the mark belongs to the parts. Takes the same time for every mark of the right length.
pub(super) fn is_marked(key: &Key, parts: &[&[u8]], given: &str) -> bool {
    let expected = mark(key, parts);
    let differences = expected.bytes().zip(given.bytes()).fold(0, |found, (one, other)| found | (one ^ other));
    given.len() == expected.len() && differences == 0
}

/// A digest of the parts, each with its length before it, so that no two lists of parts give the same bytes.
fn digest(key: &Key, parts: &[&[u8]]) -> [u8; MARK_BYTES] {
    let mut hasher = blake3::Hasher::new_keyed(key);
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    let mut digest = [0; MARK_BYTES];
    digest.copy_from_slice(&hasher.finalize().as_bytes()[..MARK_BYTES]);
    digest
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_secret_is_made_once_and_read_again() {
        let folder = std::env::temp_dir().join(format!("polder-{}", uuid::Uuid::new_v4()));
        let file = folder.join("keys/journal-secret");
        assert!(JournalSecret::read(&file).unwrap().is_none());
        let made = JournalSecret::make(&file).unwrap();
        assert_eq!(JournalSecret::read(&file).unwrap().unwrap().0, made.0);
        assert_eq!(JournalSecret::make(&file).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_dir(file.parent().unwrap()).unwrap().count(), 1, "no draft is left");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(JournalSecret::read(&file).unwrap_err().to_string().contains("chmod 600"));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let digits = "a".repeat(64);
        for text in ["", "abc", &"x".repeat(64), &digits[1..], &"a".repeat(66), &format!("{digits}\r\n\nmore")] {
            std::fs::write(&file, text).unwrap();
            assert!(JournalSecret::read(&file).unwrap_err().to_string().contains("holds no secret"), "{text}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_mark_belongs_to_its_key_and_parts() {
        let (one, two) = (JournalSecret([1; SECRET_BYTES]).marks("a-1"), JournalSecret([1; SECRET_BYTES]).marks("a-2"));
        let given = mark(&one.frames, &[b"ab", b"c"]);
        assert!(is_marked(&one.frames, &[b"ab", b"c"], &given));
        assert!(!is_marked(&one.frames, &[b"a", b"bc"], &given) && !is_marked(&one.lease, &[b"ab", b"c"], &given));
        assert!(!is_marked(&two.frames, &[b"ab", b"c"], &given));
        for other in ["", &given[1..], &format!("{given}0"), &given.to_uppercase().replace(char::is_numeric, "x")] {
            assert!(!is_marked(&one.frames, &[b"ab", b"c"], other), "{other}");
        }
        assert_ne!(one.id(), two.id());
    }
}
