//! One build of a domain, identified by the digest of its component.

use std::fmt;

use serde::{Deserialize, Serialize};

/// BLAKE3 digest of a component's bytes as they were uploaded. Displayed as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Revision([u8; 32]);

/// Bytes of a revision that each record in the journal contains: enough to distinguish a tenant's revisions.
pub const REVISION_MARK_BYTES: usize = 8;

impl Revision {
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub fn mark(&self) -> [u8; REVISION_MARK_BYTES] {
        let mut mark = [0; REVISION_MARK_BYTES];
        mark.copy_from_slice(&self.0[..REVISION_MARK_BYTES]);
        mark
    }

    /// The first 12 digits, for logs and messages.
    pub fn short(&self) -> String {
        let mut text = self.to_string();
        text.truncate(12);
        text
    }
}

/// Computes the revision of a component that arrives in pieces.
#[derive(Debug, Clone, Default)]
pub struct RevisionHasher(blake3::Hasher);

impl RevisionHasher {
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub fn finish(&self) -> Revision {
        Revision(*self.0.finalize().as_bytes())
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(blake3::Hash::from_bytes(self.0).to_hex().as_str())
    }
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

impl std::str::FromStr for Revision {
    type Err = RevisionError;

    fn from_str(text: &str) -> Result<Self, RevisionError> {
        blake3::Hash::from_hex(text).map(|hash| Self(*hash.as_bytes())).map_err(|_| RevisionError)
    }
}

impl TryFrom<String> for Revision {
    type Error = RevisionError;
    fn try_from(text: String) -> Result<Self, RevisionError> {
        text.parse()
    }
}

impl From<Revision> for String {
    fn from(revision: Revision) -> String {
        revision.to_string()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a revision: a revision is 64 hexadecimal digits")]
pub struct RevisionError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_give_the_revision_of_the_whole() {
        let mut hasher = RevisionHasher::default();
        [&b"one"[..], b"", b" two"].into_iter().for_each(|piece| hasher.update(piece));
        assert_eq!(hasher.finish(), Revision::of(b"one two"));
    }
}
