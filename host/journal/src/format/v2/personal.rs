//! Personal parts: values of a person within a payload, sealed with a key of that person. The content id of the event
//! covers the sealed form. So it can be verified without any key, and also after the key was destroyed.
//!
//! Each part has a key of its own, which is derived from the subject's key and from the place of the part. So one value
//! can be disclosed without the others. The place does not contain the event's id, because the id covers the part.

use super::content_id::LogId;
use super::dag_cbor::{put_array, put_bytes, put_text, put_uint};
use super::error::{FormatError, within};
use super::extensions::{ExtensionsBuf, Owner, event_tag};
use super::limits::PARTS_MAX;
use super::snapshot::{open_with_nonce, seal_with_nonce};
use super::varint::{Cursor, put_blob, put_number};

const PART_CONTEXT: &str = "polder journal 2 personal part";
/// A key seals one part. If a sequence is decided twice, as after a crash before the acknowledgement, key and nonce are
/// used again; AES-256-GCM-SIV then reveals only whether both parts were equal.
const NONCE: [u8; 12] = [0; 12];

/// The place of a part.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PartPlace<'a> {
    pub(crate) log_id: &'a LogId,
    pub(crate) domain: &'a str,
    pub(crate) aggregate: &'a str,
    pub(crate) aggregate_id: &'a str,
    /// Sequence of the event; for the actor of a command the sequence before the command.
    pub(crate) sequence: u64,
    pub(crate) part: Part<'a>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Part<'a> {
    /// Index among the parts of the event.
    OfEvent(u64),
    /// The actor of the command with this id.
    ActorOf(&'a str),
}

impl PartPlace<'_> {
    /// The key of the part, which opens nothing else.
    pub(crate) fn key(&self, subject_key: &[u8; 32]) -> [u8; 32] {
        let mut material = subject_key.to_vec();
        put_array(&mut material, 6);
        put_bytes(&mut material, self.log_id);
        for name in [self.domain, self.aggregate, self.aggregate_id] {
            put_text(&mut material, name);
        }
        put_uint(&mut material, self.sequence);
        match self.part {
            Part::OfEvent(index) => put_uint(&mut material, index),
            Part::ActorOf(command_id) => put_text(&mut material, command_id),
        }
        blake3::derive_key(PART_CONTEXT, &material)
    }
}

/// Seals a part with its own key.
pub(crate) fn seal_part(part_key: &[u8; 32], plain: &[u8]) -> Result<Vec<u8>, FormatError> {
    seal_with_nonce(part_key, &NONCE, &[], plain)
}

/// Opens a part with its own key.
///
/// # Errors
/// Fails if the part was sealed with another key, or was changed.
pub(crate) fn open_part(part_key: &[u8; 32], sealed: &[u8]) -> Result<Vec<u8>, FormatError> {
    open_with_nonce(part_key, &NONCE, &[], sealed)
}

/// Adds the extensions for the parts of an event: the sealed parts, and the slots of their subjects.
pub(crate) fn push_parts(extensions: &mut ExtensionsBuf, parts: &[(u64, Vec<u8>)]) -> Result<(), FormatError> {
    within("the number of parts of an extension", parts.len() as u64, PARTS_MAX)?;
    let (mut sealed_parts, mut slots) = (Vec::new(), Vec::new());
    for (slot, sealed) in parts {
        put_blob(&mut sealed_parts, sealed);
        put_number(&mut slots, *slot);
    }
    extensions.push(Owner::Event, event_tag::PERSONAL_PARTS, &sealed_parts)?;
    extensions.push(Owner::Event, event_tag::SUBJECTS_OF_PARTS, &slots)
}

/// The sealed parts in the value of their extension, which was checked.
pub(crate) fn sealed_parts(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut cursor = Cursor::new("the sealed parts", value);
    std::iter::from_fn(move || cursor.blob_to("the length of a sealed part", u64::from(u32::MAX)).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_has_a_key_of_its_own() {
        let place = |sequence, part| PartPlace {
            log_id: &[1; 16],
            domain: "crm",
            aggregate: "customer",
            aggregate_id: "c-1",
            sequence,
            part,
        };
        let subject = [7; 32];
        let keys = [
            place(1, Part::OfEvent(0)).key(&subject),
            place(1, Part::OfEvent(1)).key(&subject),
            place(2, Part::OfEvent(0)).key(&subject),
            place(1, Part::ActorOf("0")).key(&subject),
            place(1, Part::OfEvent(0)).key(&[8; 32]),
            PartPlace { log_id: &[2; 16], ..place(1, Part::OfEvent(0)) }.key(&subject),
            PartPlace { aggregate_id: "c-2", ..place(1, Part::OfEvent(0)) }.key(&subject),
        ];
        let sealed = seal_part(&keys[0], b"Ada").unwrap();
        for (index, key) in keys.iter().enumerate() {
            assert_eq!(open_part(key, &sealed).is_ok(), index == 0, "key {index}");
        }
        assert_eq!(open_part(&keys[0], &sealed).unwrap(), b"Ada");
    }

    #[test]
    fn parts_and_back() {
        let mut extensions = ExtensionsBuf::default();
        push_parts(&mut extensions, &[(5, vec![1; 16]), (300, vec![2; 40])]).unwrap();
        let parts: Vec<_> = sealed_parts(extensions.view().get(event_tag::PERSONAL_PARTS).unwrap()).collect();
        assert_eq!(parts, [&[1; 16][..], &[2; 40]]);
        assert!(push_parts(&mut ExtensionsBuf::default(), &[]).is_err());
        assert!(push_parts(&mut ExtensionsBuf::default(), &[(1, vec![0; 15])]).is_err());
    }
}
