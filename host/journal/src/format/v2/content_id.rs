//! The content id of an event, version 2: a CIDv1 (codec dag-cbor, hash blake3) over its content and the id of the
//! aggregate's event before. The content is plain DAG-CBOR, so the history of an aggregate is a chain of blocks that
//! every IPLD library can read and verify.
//!
//! ```text
//! [2, previous | null, log id, domain, aggregate, aggregate id, sequence, name, version, at_ms, command id,
//!  {extensions of the record}, payload, {extensions of the event}]
//! ```
//!
//! The maps have the covered extensions: the tag in decimal digits as the key, the bytes as the value. So a reader
//! computes the id of an event also when it does not know a tag. The content does not contain the position, which says
//! only where an event is stored, nor the plain text of a personal part.

use super::dag_cbor::{put_array, put_bytes, put_link, put_map, put_null, put_text, put_uint};
use super::extensions::Extensions;
use super::identifier::Identifier;
use super::shape::{EventKind, Shape};

/// Bytes of the id of a tenant's log.
pub(crate) const LOG_ID_BYTES: usize = 16;
pub(crate) type LogId = [u8; LOG_ID_BYTES];
/// The digest of a content id.
pub(crate) type EventDigest = [u8; 32];

const CONTENT_VERSION: u64 = 2;
const MEMBERS: u64 = 14;
/// Typical size of the content without the payload, in bytes.
const CONTENT_BYTES_TYPICAL: usize = 256;

/// The content that an event's id covers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EventContent<'a> {
    /// The id of the aggregate's event before; `None` for its first one.
    pub(crate) previous: Option<&'a EventDigest>,
    pub(crate) log_id: &'a LogId,
    pub(crate) shape: &'a Shape,
    pub(crate) kind: &'a EventKind,
    pub(crate) aggregate_id: Identifier<'a>,
    pub(crate) sequence: u64,
    pub(crate) at_ms: u64,
    pub(crate) command_id: Identifier<'a>,
    pub(crate) record_extensions: Extensions<'a>,
    pub(crate) payload: &'a [u8],
    pub(crate) event_extensions: Extensions<'a>,
}

impl EventContent<'_> {
    /// Appends the content as DAG-CBOR. A content-addressed archive (CAR) has these bytes as one block.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        put_array(out, MEMBERS);
        put_uint(out, CONTENT_VERSION);
        match self.previous {
            Some(previous) => put_link(out, previous),
            None => put_null(out),
        }
        put_bytes(out, self.log_id);
        put_text(out, &self.shape.domain);
        put_text(out, &self.shape.aggregate);
        put_identifier(out, &self.aggregate_id);
        put_uint(out, self.sequence);
        put_text(out, &self.kind.name);
        put_uint(out, u64::from(self.kind.version));
        put_uint(out, self.at_ms);
        put_identifier(out, &self.command_id);
        put_extensions(out, &self.record_extensions);
        put_bytes(out, self.payload);
        put_extensions(out, &self.event_extensions);
    }

    pub(crate) fn digest(&self) -> EventDigest {
        let mut bytes = Vec::with_capacity(CONTENT_BYTES_TYPICAL + self.payload.len());
        self.put(&mut bytes);
        *blake3::hash(&bytes).as_bytes()
    }
}

fn put_identifier(out: &mut Vec<u8>, identifier: &Identifier<'_>) {
    match identifier {
        Identifier::Text(text) => put_text(out, text),
        other => put_text(out, &other.to_string()),
    }
}

fn put_extensions(out: &mut Vec<u8>, extensions: &Extensions<'_>) {
    put_map(out, extensions.covered().count() as u64);
    // DAG-CBOR sorts shorter keys first, so the order of decimal numbers is the order of the tags.
    for extension in extensions.covered() {
        put_text(out, &extension.tag.to_string());
        put_bytes(out, extension.value);
    }
}

#[cfg(test)]
mod tests {
    use super::super::dag_cbor::Decoder;
    use super::super::extensions::{ExtensionsBuf, Owner, record_tag};
    use super::*;

    fn shape() -> Shape {
        let event = EventKind { name: "drafted".into(), version: 1, skeleton: b"{}".to_vec() };
        Shape {
            domain: "orders".into(),
            aggregate: "order".into(),
            command: "draft".into(),
            revision_mark: [1; 8],
            events: vec![event],
        }
    }

    fn digest_of(change: impl for<'a> FnOnce(&mut EventContent<'a>, &'a Different)) -> EventDigest {
        let (shape, different) = (shape(), Different::new());
        let mut content = EventContent {
            previous: None,
            log_id: &[3; 16],
            shape: &shape,
            kind: &shape.events[0],
            aggregate_id: Identifier::of("o-1").unwrap(),
            sequence: 1,
            at_ms: 1_700_000_000_000,
            command_id: Identifier::of("c-1").unwrap(),
            record_extensions: Extensions::default(),
            payload: b"{}",
            event_extensions: Extensions::default(),
        };
        change(&mut content, &different);
        let mut bytes = Vec::new();
        content.put(&mut bytes);
        let mut decoder = Decoder::new(&bytes);
        decoder.skip().unwrap();
        decoder.end().unwrap();
        content.digest()
    }

    struct Different {
        shapes: [Shape; 4],
        covered: ExtensionsBuf,
        uncovered: ExtensionsBuf,
    }

    impl Different {
        fn new() -> Self {
            let mut shapes = [shape(), shape(), shape(), shape()];
            shapes[0].domain = "order".into();
            shapes[1].aggregate = "orders".into();
            shapes[2].events[0].name = "drafted2".into();
            shapes[3].events[0].version = 2;
            let (mut covered, mut uncovered) = (ExtensionsBuf::default(), ExtensionsBuf::default());
            covered.push(Owner::Record, 100, b"of a later version").unwrap();
            uncovered.push(Owner::Record, record_tag::HOPS, &[1]).unwrap();
            Self { shapes, covered, uncovered }
        }
    }

    #[test]
    fn every_member_counts() {
        let digests = [
            digest_of(|_, _| ()),
            digest_of(|content, _| content.previous = Some(&[0; 32])),
            digest_of(|content, _| content.log_id = &[4; 16]),
            digest_of(|content, other| content.shape = &other.shapes[0]),
            digest_of(|content, other| content.shape = &other.shapes[1]),
            digest_of(|content, other| content.kind = &other.shapes[2].events[0]),
            digest_of(|content, other| content.kind = &other.shapes[3].events[0]),
            digest_of(|content, _| content.aggregate_id = Identifier::Text("o-2")),
            digest_of(|content, _| content.sequence = 2),
            digest_of(|content, _| content.at_ms = 1),
            digest_of(|content, _| content.command_id = Identifier::Text("c-2")),
            digest_of(|content, _| content.payload = b"{ }"),
            digest_of(|content, other| content.record_extensions = other.covered.view()),
            digest_of(|content, other| content.event_extensions = other.covered.view()),
        ];
        for (index, digest) in digests.iter().enumerate() {
            assert!(!digests[..index].contains(digest), "member {index}");
        }
        let with_uncovered = digest_of(|content, other| content.record_extensions = other.uncovered.view());
        assert_eq!(with_uncovered, digests[0], "an extension that is not covered changes nothing");
    }
}
