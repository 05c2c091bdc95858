//! Content addressing: an event's id is derived from the event's content and from the previous event of its aggregate.
//!
//! The id is a CIDv1 (multicodec `raw`, multihash `blake3` of 32 bytes; <https://github.com/multiformats/cid>) over the
//! event's canonical bytes. These are its fields in a fixed order: strings and payload preceded by their length in
//! bytes as u32, numbers as u64, all little-endian, an absent option as length `u32::MAX`. The first field is the id of
//! the aggregate's previous event, or 32 zero bytes, so that one aggregate's history can be verified by itself. The
//! tenant's position is not included, because it only says where an event is stored.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Version 1, codec raw, hash blake3, length 32.
const CID_PREFIX: [u8; 4] = [0x01, 0x55, 0x1e, 0x20];
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// Length of a CID in text: the multibase prefix and 36 bytes in base 32 without padding.
const CID_TEXT_BYTES: usize = 1 + 58;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContentId([u8; 32]);

/// The content that an event's id covers.
#[derive(Debug, Clone, Copy)]
pub struct EventContent<'a> {
    pub tenant: &'a str,
    pub domain: &'a str,
    pub aggregate: &'a str,
    pub aggregate_id: &'a str,
    pub sequence: u64,
    pub name: &'a str,
    pub version: u32,
    pub at_ms: u64,
    pub command_id: &'a str,
    pub correlation_id: Option<&'a str>,
    pub causation_id: Option<&'a str>,
    pub actor: Option<&'a str>,
    pub payload: &'a [u8],
}

impl ContentId {
    /// Stands for the event before an aggregate's first one.
    pub const NONE: Self = Self([0; 32]);

    pub fn from_digest(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    pub fn digest(&self) -> &[u8; 32] {
        &self.0
    }

    /// The id of the event that follows `previous` in its aggregate.
    pub fn of(previous: &Self, event: &EventContent<'_>) -> Self {
        // The bytes are collected first, because one call of the hasher over a few hundred bytes is several times
        // faster than twelve small ones.
        let mut bytes = Vec::with_capacity(256 + event.payload.len());
        bytes.extend_from_slice(&previous.0);
        for text in [event.tenant, event.domain, event.aggregate, event.aggregate_id] {
            put(&mut bytes, text.as_bytes());
        }
        bytes.extend_from_slice(&event.sequence.to_le_bytes());
        put(&mut bytes, event.name.as_bytes());
        bytes.extend_from_slice(&u64::from(event.version).to_le_bytes());
        bytes.extend_from_slice(&event.at_ms.to_le_bytes());
        put(&mut bytes, event.command_id.as_bytes());
        for option in [event.correlation_id, event.causation_id, event.actor] {
            match option {
                Some(text) => put(&mut bytes, text.as_bytes()),
                None => bytes.extend_from_slice(&u32::MAX.to_le_bytes()),
            }
        }
        put(&mut bytes, event.payload);
        Self(*blake3::hash(&bytes).as_bytes())
    }
}

fn put(bytes: &mut Vec<u8>, field: &[u8]) {
    let length = u32::try_from(field.len()).expect("limits keep every field far below 4 GiB");
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(field);
}

impl fmt::Display for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(CID_TEXT_BYTES);
        text.push('b');
        let (mut buffer, mut bits) = (0_u32, 0);
        for byte in CID_PREFIX.iter().chain(&self.0) {
            buffer = (buffer << 8) | u32::from(*byte);
            bits += 8;
            while bits >= 5 {
                bits -= 5;
                text.push(BASE32[(buffer >> bits) as usize & 31] as char);
            }
            buffer &= (1 << bits) - 1;
        }
        if bits > 0 {
            text.push(BASE32[(buffer << (5 - bits)) as usize & 31] as char);
        }
        f.write_str(&text)
    }
}

impl fmt::Debug for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a content id: expected a CIDv1 with codec raw and hash blake3, in base 32 ('bafkr4i…', 59 characters)")]
pub struct ContentIdError;

impl std::str::FromStr for ContentId {
    type Err = ContentIdError;

    fn from_str(text: &str) -> Result<Self, ContentIdError> {
        let digits = text.strip_prefix('b').filter(|_| text.len() == CID_TEXT_BYTES).ok_or(ContentIdError)?;
        let mut bytes = Vec::with_capacity(36);
        let (mut buffer, mut bits) = (0_u32, 0);
        for digit in digits.bytes() {
            let value = BASE32.iter().position(|letter| *letter == digit).ok_or(ContentIdError)?;
            buffer = (buffer << 5) | value as u32;
            bits += 5;
            if bits >= 8 {
                bits -= 8;
                bytes.push((buffer >> bits) as u8);
                buffer &= (1 << bits) - 1;
            }
        }
        let digest = bytes.strip_prefix(&CID_PREFIX).filter(|_| buffer == 0).ok_or(ContentIdError)?;
        Ok(Self(digest.try_into().map_err(|_| ContentIdError)?))
    }
}

impl TryFrom<String> for ContentId {
    type Error = ContentIdError;
    fn try_from(text: String) -> Result<Self, ContentIdError> {
        text.parse()
    }
}

impl From<ContentId> for String {
    fn from(id: ContentId) -> String {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> EventContent<'static> {
        EventContent {
            tenant: "main",
            domain: "orders",
            aggregate: "order",
            aggregate_id: "o-1",
            sequence: 1,
            name: "order-drafted",
            version: 1,
            at_ms: 1_700_000_000_000,
            command_id: "c-1",
            correlation_id: None,
            causation_id: None,
            actor: None,
            payload: b"{}",
        }
    }

    #[test]
    fn text_and_back() {
        let id = ContentId::of(&ContentId::NONE, &event());
        let text = id.to_string();
        assert!(text.starts_with("bafkr4i"), "{text}");
        assert_eq!(text.len(), CID_TEXT_BYTES);
        assert_eq!(text.parse(), Ok(id));
        for bad in ["", "b", &text[1..], &text.to_uppercase(), &format!("{text}a"), &text.replace('b', "1")] {
            assert_eq!(bad.parse::<ContentId>(), Err(ContentIdError), "{bad}");
        }
    }

    #[test]
    fn every_field_counts() {
        let base = event();
        let id = ContentId::of(&ContentId::NONE, &base);
        let changed = [
            EventContent { tenant: "other", ..base },
            EventContent { domain: "order", ..base },
            EventContent { aggregate: "orders", ..base },
            EventContent { aggregate_id: "o-2", ..base },
            EventContent { sequence: 2, ..base },
            EventContent { name: "order-drafted2", ..base },
            EventContent { version: 2, ..base },
            EventContent { at_ms: 1, ..base },
            EventContent { command_id: "c-2", ..base },
            EventContent { correlation_id: Some(""), ..base },
            EventContent { causation_id: Some(""), ..base },
            EventContent { actor: Some(""), ..base },
            EventContent { payload: b"{ }", ..base },
        ];
        for other in changed {
            assert_ne!(ContentId::of(&ContentId::NONE, &other), id, "{other:?}");
        }
        assert_ne!(ContentId::of(&id, &base), id);
    }
}
