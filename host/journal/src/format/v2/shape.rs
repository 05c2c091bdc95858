//! What many records have in common: domain, aggregate and command, the revision that decided, and the events that it
//! can record. A record names its shape by a number.

use super::error::{FormatError, ensure, within};
use super::limits::{EVENT_KINDS_MAX, NAME_BYTES_MAX, SKELETON_BYTES_MAX};
use super::varint::{Cursor, put_blob, put_number};

/// Bytes of a revision that a shape contains.
pub(crate) const REVISION_MARK_BYTES: usize = 8;
/// Bytes that the kind of an event takes at least.
const EVENT_KIND_BYTES_MIN: u64 = 4;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Shape {
    pub(crate) domain: String,
    pub(crate) aggregate: String,
    pub(crate) command: String,
    pub(crate) revision_mark: [u8; REVISION_MARK_BYTES],
    pub(crate) events: Vec<EventKind>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct EventKind {
    pub(crate) name: String,
    pub(crate) version: u32,
    /// A typical payload without its values, made from the descriptor and never from data. It is a dictionary for codecs
    /// that this version reserves; it can be empty.
    pub(crate) skeleton: Vec<u8>,
}

impl Shape {
    pub(crate) fn put(&self, out: &mut Vec<u8>) -> Result<(), FormatError> {
        for name in [&self.domain, &self.aggregate, &self.command] {
            put_name(out, name)?;
        }
        out.extend_from_slice(&self.revision_mark);
        within("the number of kinds of events", self.events.len() as u64, EVENT_KINDS_MAX)?;
        put_number(out, self.events.len() as u64);
        for EventKind { name, version, skeleton } in &self.events {
            put_name(out, name)?;
            put_number(out, u64::from(*version));
            within("the length of a skeleton", skeleton.len() as u64, SKELETON_BYTES_MAX)?;
            put_blob(out, skeleton);
        }
        Ok(())
    }

    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self, FormatError> {
        let mut name = || read_name(cursor).map(str::to_owned);
        let (domain, aggregate, command) = (name()?, name()?, name()?);
        let revision_mark = cursor.array()?;
        let count = cursor.number_to("the number of kinds of events", EVENT_KINDS_MAX)?;
        let is_possible = count <= cursor.rest().len() as u64 / EVENT_KIND_BYTES_MIN;
        ensure(is_possible, "a shape announces more events than its bytes can hold")?;
        let events = (0..count).map(|_| {
            Ok(EventKind {
                name: read_name(cursor)?.to_owned(),
                version: cursor.number_to("the version of an event", u64::from(u32::MAX))? as u32,
                skeleton: cursor.blob_to("the length of a skeleton", SKELETON_BYTES_MAX)?.to_vec(),
            })
        });
        let events = events.collect::<Result<_, FormatError>>()?;
        Ok(Self { domain, aggregate, command, revision_mark, events })
    }
}

/// Appends a name, which has at least one byte.
pub(crate) fn put_name(out: &mut Vec<u8>, name: &str) -> Result<(), FormatError> {
    ensure(!name.is_empty(), "a name is empty")?;
    within("the length of a name", name.len() as u64, NAME_BYTES_MAX)?;
    put_blob(out, name.as_bytes());
    Ok(())
}

pub(crate) fn read_name<'a>(cursor: &mut Cursor<'a>) -> Result<&'a str, FormatError> {
    let name = cursor.text_to("the length of a name", NAME_BYTES_MAX)?;
    ensure(!name.is_empty(), "a name is empty")?;
    Ok(name)
}
