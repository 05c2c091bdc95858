//! Extensions of records and of events: values with a tag, for what few records have and for what later versions add.
//!
//! ```text
//! extensions := count varint | extension*        tags ascend
//! extension  := tag varint | length varint | bytes
//! ```
//!
//! A reader passes over an even tag that it does not know, and refuses the record of an odd one. Tags below 128 are
//! covered by the content ids of the events, whether the reader knows them or not; the others are not.

use super::error::{FormatError, ensure, within};
use super::identifier::Identifier;
use super::limits::{EXTENSIONS_MAX, IDENTIFIER_BYTES_MAX, NUMBER_MAX, PARTS_MAX, TAG_MAX};
use super::varint::{Cursor, put_blob, put_number};

/// Tags from here on are not covered by content ids.
pub(crate) const UNCOVERED_TAGS_FROM: u64 = 128;
/// Bytes that a sealed value has at least: the tag of AES-256-GCM-SIV.
const SEALED_BYTES_MIN: usize = 16;
/// Bytes of the keyed hash of a subject's id.
const SUBJECT_HASH_BYTES: usize = 16;

/// The tags of extensions of records.
pub(crate) mod record_tag {
    /// An identifier.
    pub(crate) const CORRELATION_ID: u64 = 2;
    /// An identifier.
    pub(crate) const CAUSATION_ID: u64 = 4;
    /// A text of at least one byte.
    pub(crate) const ACTOR: u64 = 6;
    /// The actor, sealed with a key of the subject that it is.
    pub(crate) const SEALED_ACTOR: u64 = 8;
    /// The digest of the content id of the event that led to the command.
    pub(crate) const CAUSE: u64 = 10;
    /// An identifier: the step of a process that sent the command.
    pub(crate) const STEP_ID: u64 = 12;
    /// An identifier: the arming of the timer that fired.
    pub(crate) const TIMER_ID: u64 = 14;
    /// The digest of the schemas that the events follow.
    pub(crate) const SCHEMA_DIGEST: u64 = 16;
    /// Scope and policy of the propagation to other contexts, one byte each.
    pub(crate) const PROPAGATION: u64 = 18;
    /// The signature of the caller: a COSE_Sign1 message.
    pub(crate) const SIGNATURE: u64 = 20;
    /// No bytes: the aggregate takes no command after this one.
    pub(crate) const CLOSES_AGGREGATE: u64 = 22;
    /// A text: the W3C trace context of the caller.
    pub(crate) const TRACEPARENT: u64 = 128;
    /// A number from 1: translations between contexts that led to the command.
    pub(crate) const HOPS: u64 = 130;
    /// A number from 1: steps of processes that led to the command.
    pub(crate) const DEPTH: u64 = 132;
    /// Pairs of a slot (number) and the keyed hash of a subject's id (16 bytes): subjects that are named here for the
    /// first time.
    pub(crate) const SUBJECTS_INTRODUCED: u64 = 134;
    /// A number: the slot of the subject that the sealed actor is.
    pub(crate) const SUBJECT_OF_ACTOR: u64 = 136;
}

/// The tags of extensions of events.
pub(crate) mod event_tag {
    /// The sealed personal parts of the payload, each preceded by its length, at least one.
    pub(crate) const PERSONAL_PARTS: u64 = 1;
    /// The digest of the content id of an event whose content was removed.
    pub(crate) const REDACTED: u64 = 129;
    /// The slots (numbers) of the subjects of the personal parts, in their order.
    pub(crate) const SUBJECTS_OF_PARTS: u64 = 130;
}

/// What has the extensions; each has tags of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    Record,
    Event,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extension<'a> {
    pub(crate) tag: u64,
    pub(crate) value: &'a [u8],
}

/// Extensions that were checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Extensions<'a> {
    count: u64,
    bytes: &'a [u8],
}

impl<'a> Extensions<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Extension<'a>> + use<'a> {
        let (mut cursor, count) = (Cursor::new("an extension", self.bytes), self.count);
        (0..count).map_while(move |_| read_extension(&mut cursor).ok())
    }

    pub(crate) fn get(&self, tag: u64) -> Option<&'a [u8]> {
        self.iter().find(|extension| extension.tag == tag).map(|extension| extension.value)
    }

    /// The value of an extension that is a digest.
    pub(crate) fn digest(&self, tag: u64) -> Option<[u8; 32]> {
        self.get(tag)?.try_into().ok()
    }

    /// The extensions that the content id of an event covers.
    pub(crate) fn covered(&self) -> impl Iterator<Item = Extension<'a>> + use<'a> {
        self.iter().take_while(|extension| extension.tag < UNCOVERED_TAGS_FROM)
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        put_number(out, self.count);
        out.extend_from_slice(self.bytes);
    }

    /// Reads and checks extensions; there is at least one.
    pub(crate) fn read(cursor: &mut Cursor<'a>, owner: Owner) -> Result<Self, FormatError> {
        let count = cursor.number_to("the number of extensions", EXTENSIONS_MAX)?;
        ensure(count > 0, "a record or an event announces extensions and has none")?;
        let begin = cursor.rest();
        let mut last = None;
        for _ in 0..count {
            let extension = read_extension(cursor)?;
            ensure(last.is_none_or(|last| last < extension.tag), "the tags of extensions do not ascend")?;
            last = Some(extension.tag);
            check(owner, &extension)?;
        }
        let bytes = &begin[..begin.len() - cursor.rest().len()];
        Ok(Self { count, bytes })
    }
}

fn read_extension<'a>(cursor: &mut Cursor<'a>) -> Result<Extension<'a>, FormatError> {
    let tag = cursor.number_to("the tag of an extension", TAG_MAX)?;
    Ok(Extension { tag, value: cursor.blob_to("the length of an extension", u64::from(u32::MAX))? })
}

/// Checks the value of a known tag, and refuses an odd tag that is not known.
fn check(owner: Owner, extension: &Extension<'_>) -> Result<(), FormatError> {
    use event_tag::*;
    use record_tag::*;
    let Extension { tag, value } = *extension;
    let mut cursor = Cursor::new("the value of an extension", value);
    match (owner, tag) {
        (Owner::Record, CORRELATION_ID | CAUSATION_ID | STEP_ID | TIMER_ID) => {
            Identifier::read(&mut cursor)?;
            cursor.end()
        }
        (Owner::Record, ACTOR | TRACEPARENT) => {
            within("the length of a text", value.len() as u64, IDENTIFIER_BYTES_MAX)?;
            ensure(!value.is_empty() && std::str::from_utf8(value).is_ok(), "an extension is no text")
        }
        (Owner::Record, CAUSE | SCHEMA_DIGEST) | (Owner::Event, REDACTED) => {
            ensure(value.len() == 32, "an extension is no digest")
        }
        (Owner::Record, PROPAGATION) => ensure(value.len() == 2, "the propagation has another length"),
        (Owner::Record, CLOSES_AGGREGATE) => ensure(value.is_empty(), "the end of an aggregate has a value"),
        (Owner::Record, HOPS | DEPTH) => {
            ensure(cursor.number_to("the depth of a command", u64::from(u32::MAX))? > 0, "a depth of zero is stored")?;
            cursor.end()
        }
        (Owner::Record, SUBJECT_OF_ACTOR) => {
            cursor.number_to("the slot of a subject", NUMBER_MAX)?;
            cursor.end()
        }
        (Owner::Record, SUBJECTS_INTRODUCED) => {
            repeated(&mut cursor, |cursor| cursor.array::<SUBJECT_HASH_BYTES>().map(drop), true)
        }
        (Owner::Event, SUBJECTS_OF_PARTS) => repeated(&mut cursor, |_| Ok(()), true),
        (Owner::Record, SEALED_ACTOR) => ensure(value.len() >= SEALED_BYTES_MIN, "a sealed value is cut short"),
        (Owner::Event, PERSONAL_PARTS) => repeated(&mut cursor, sealed_part, false),
        (_, odd) if odd % 2 == 1 => Err(FormatError::Unknown { what: "the tag", number: odd }),
        _ => Ok(()),
    }
}

/// Checks values until the end: of each an optional number, and then what `check` reads.
fn repeated<'a>(
    cursor: &mut Cursor<'a>,
    mut check: impl FnMut(&mut Cursor<'a>) -> Result<(), FormatError>,
    has_slot: bool,
) -> Result<(), FormatError> {
    let mut count = 0;
    while !cursor.is_empty() {
        if has_slot {
            cursor.number_to("the slot of a subject", NUMBER_MAX)?;
        }
        check(cursor)?;
        count += 1;
        within("the number of parts of an extension", count, PARTS_MAX)?;
    }
    ensure(count > 0, "an extension has no parts")
}

fn sealed_part(cursor: &mut Cursor<'_>) -> Result<(), FormatError> {
    let sealed = cursor.blob_to("the length of a sealed part", u64::from(u32::MAX))?;
    ensure(sealed.len() >= SEALED_BYTES_MIN, "a sealed value is cut short")
}

/// Extensions with their own buffer, to be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ExtensionsBuf {
    count: u64,
    last: Option<u64>,
    bytes: Vec<u8>,
}

impl ExtensionsBuf {
    /// Adds an extension; the tags have to ascend.
    ///
    /// # Errors
    /// Fails if readers would refuse the extension.
    pub(crate) fn push(&mut self, owner: Owner, tag: u64, value: &[u8]) -> Result<(), FormatError> {
        within("the tag of an extension", tag, TAG_MAX)?;
        within("the number of extensions", self.count + 1, EXTENSIONS_MAX)?;
        ensure(self.last.is_none_or(|last| last < tag), "the tags of extensions do not ascend")?;
        check(owner, &Extension { tag, value })?;
        put_number(&mut self.bytes, tag);
        put_blob(&mut self.bytes, value);
        (self.count, self.last) = (self.count + 1, Some(tag));
        Ok(())
    }

    pub(crate) fn view(&self) -> Extensions<'_> {
        Extensions { count: self.count, bytes: &self.bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(owner: Owner, bytes: &[u8]) -> Result<Vec<(u64, Vec<u8>)>, FormatError> {
        let mut cursor = Cursor::new("extensions", bytes);
        let extensions = Extensions::read(&mut cursor, owner)?;
        cursor.end()?;
        Ok(extensions.iter().map(|extension| (extension.tag, extension.value.to_vec())).collect())
    }

    #[test]
    fn extensions_and_back() {
        let mut list = ExtensionsBuf::default();
        list.push(Owner::Record, record_tag::ACTOR, b"someone").unwrap();
        list.push(Owner::Record, 100, b"of a later version").unwrap();
        list.push(Owner::Record, record_tag::HOPS, &[3]).unwrap();
        assert!(list.push(Owner::Record, record_tag::HOPS, &[3]).is_err(), "a tag occurs once");
        let mut bytes = Vec::new();
        list.view().put(&mut bytes);
        let expected = vec![(6, b"someone".to_vec()), (100, b"of a later version".to_vec()), (130, vec![3])];
        assert_eq!(read(Owner::Record, &bytes), Ok(expected));
        assert_eq!(list.view().get(record_tag::ACTOR), Some(&b"someone"[..]));
        assert_eq!(list.view().covered().map(|extension| extension.tag).collect::<Vec<_>>(), [6, 100]);
        for length in 0..bytes.len() {
            assert!(read(Owner::Record, &bytes[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn unknown_tags_are_passed_over_if_they_are_even() {
        assert_eq!(read(Owner::Record, &[1, 100, 1, 9]), Ok(vec![(100, vec![9])]));
        let unknown = |number| Err(FormatError::Unknown { what: "the tag", number });
        assert_eq!(read(Owner::Record, &[1, 101, 1, 9]), unknown(101));
        assert_eq!(read(Owner::Record, &[1, 1, 17, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), unknown(1));
    }

    #[test]
    fn values_of_known_tags_are_checked() {
        for bytes in [
            &[0][..],
            &[65],
            &[2, 22, 0, 22, 0],
            &[2, 22, 0, 6, 1, b'x'],
            &[1, 22, 1, 0],
            &[1, 18, 1, 0],
            &[1, 10, 1, 0],
            &[1, 2, 2, 5, 4],
            &[1, 6, 1, 0xff],
            &[1, 6, 0],
            &[1, 0x82, 1, 1, 0],
            &[1, 0x86, 1, 0],
            &[1, 0x86, 1, 1, 0],
            &[1, 8, 1, 0],
        ] {
            assert!(read(Owner::Record, bytes).is_err(), "{bytes:?}");
        }
        assert!(read(Owner::Event, &[1, 1, 2, 1, 0]).is_err(), "a sealed part that is too short");
        assert!(read(Owner::Event, &[1, 1, 0]).is_err(), "no sealed part");
    }
}
