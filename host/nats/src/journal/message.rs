//! A frame as a message: its number, and a mark that only hosts of the cluster can make. Messages of other clients are
//! skipped.

use async_nats::HeaderMap;
use bytes::Bytes;

use super::secret::{Marks, is_marked, mark};

const NUMBER: &str = "Polder-Frame";
const MARK: &str = "Polder-Mark";
/// Header with the name of the object that holds a frame which is too large for a message; the next header is its
/// digest.
const OBJECT: &str = "Polder-Object";
const DIGEST: &str = "Polder-Digest";

/// Kind of a message in the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Message {
    Frame {
        number: u64,
        content: Content,
    },
    /// No host of this cluster wrote the message.
    Foreign,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    Here(Bytes),
    Object { name: String, digest: blake3::Hash },
}

/// The headers of a frame. `object` names the object that holds the frame instead of the message.
pub(super) fn headers(marks: &Marks, number: u64, frame: &[u8], object: Option<&str>) -> HeaderMap {
    let digest = blake3::hash(frame);
    let mut headers = HeaderMap::new();
    headers.insert(NUMBER, number.to_string());
    headers.insert(MARK, mark(&marks.frames, &parts(&number.to_le_bytes(), &digest, object)));
    if let Some(name) = object {
        headers.insert(OBJECT, name);
        headers.insert(DIGEST, digest.to_hex().as_str());
    }
    headers
}

/// Reads a message. Without `marks` the writer is unknown: then everything that looks like a frame is one.
pub(super) fn read(marks: Option<&Marks>, headers: &HeaderMap, payload: Bytes) -> Message {
    open(marks, headers, payload).unwrap_or(Message::Foreign)
}

fn open(marks: Option<&Marks>, headers: &HeaderMap, payload: Bytes) -> Option<Message> {
    let text = |name: &str| headers.get(name).map(async_nats::HeaderValue::as_str);
    let number: u64 = text(NUMBER)?.parse().ok()?;
    let given = text(MARK)?;
    let (object, content) = match text(OBJECT) {
        None => (None, Content::Here(payload)),
        Some(name) => {
            let digest = blake3::Hash::from_hex(text(DIGEST)?).ok()?;
            (Some(name), Content::Object { name: name.to_owned(), digest })
        }
    };
    let digest = content.digest();
    let is_ours = |marks: &Marks| is_marked(&marks.frames, &parts(&number.to_le_bytes(), &digest, object), given);
    marks.is_none_or(is_ours).then_some(Message::Frame { number, content })
}

impl Content {
    pub(super) fn digest(&self) -> blake3::Hash {
        match self {
            Self::Here(frame) => blake3::hash(frame),
            Self::Object { digest, .. } => *digest,
        }
    }
}

fn parts<'a>(number: &'a [u8; 8], digest: &'a blake3::Hash, object: Option<&'a str>) -> [&'a [u8]; 3] {
    [number, digest.as_bytes(), object.unwrap_or_default().as_bytes()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::JournalSecret;

    fn marks(journal: &str) -> Marks {
        let file = std::env::temp_dir().join(format!("polder-{}", uuid::Uuid::new_v4()));
        let secret = JournalSecret::make(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        secret.marks(journal)
    }

    #[test]
    fn only_what_is_marked_is_a_frame() {
        let (ours, theirs) = (marks("a-1"), marks("a-1"));
        let frame = Bytes::from_static(b"frame");
        let good = headers(&ours, 7, &frame, None);
        let found = read(Some(&ours), &good, frame.clone());
        assert_eq!(found, Message::Frame { number: 7, content: Content::Here(frame.clone()) });
        let with = |name: &str, value: &str| {
            let mut headers = good.clone();
            headers.insert(name, value);
            headers
        };
        let digest = blake3::hash(b"x").to_hex();
        for (headers, payload) in [
            (HeaderMap::new(), &frame),
            (headers(&theirs, 7, &frame, None), &frame),
            (good.clone(), &Bytes::from_static(b"Frame")),
            (with(NUMBER, "8"), &frame),
            (with(NUMBER, "x"), &frame),
            (with(MARK, ""), &frame),
            (with(OBJECT, "o"), &frame),
            (
                [(OBJECT, "o"), (DIGEST, digest.as_str())].iter().fold(good.clone(), |mut all, (name, value)| {
                    all.insert(*name, *value);
                    all
                }),
                &frame,
            ),
        ] {
            assert_eq!(read(Some(&ours), &headers, payload.clone()), Message::Foreign, "{headers:?}");
        }
        assert_ne!(read(None, &headers(&theirs, 7, &frame, None), frame), Message::Foreign, "the writer is unknown");
    }

    #[test]
    fn a_frame_that_is_an_object_is_known_by_its_digest() {
        let (ours, frame) = (marks("a-1"), b"a large frame");
        let mut headers = headers(&ours, 7, frame, Some("frame-7"));
        let digest = blake3::hash(frame);
        let content = Content::Object { name: "frame-7".to_owned(), digest };
        assert_eq!(read(Some(&ours), &headers, Bytes::new()), Message::Frame { number: 7, content });
        headers.insert(OBJECT, "frame-8");
        assert_eq!(read(Some(&ours), &headers, Bytes::new()), Message::Foreign);
    }
}
