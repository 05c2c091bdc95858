//! HTTP requests and responses as messages between hosts: the length of the head, the head in JSON, then the body.

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use bytes::{BufMut as _, Bytes, BytesMut};
use polder_nats::journal::Parcel;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::access::first_key::FirstKeyProven;

/// The size of the head's length, in bytes.
const LENGTH_BYTES: usize = 4;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RequestHead {
    method: String,
    uri: String,
    headers: Vec<(String, Vec<u8>)>,
    /// Where the body is stored, if it is too large for the message.
    pub(super) parcel: Option<Parcel>,
    /// Whether the forwarding host verified the proof for a first key.
    pub(super) first_key_proven: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum AnswerHead {
    Answer {
        status: u16,
        headers: Vec<(String, Vec<u8>)>,
        /// The owner's changes are in the journal's frames up to this one.
        frame: u64,
    },
    /// The receiving host does not own the journal, and did nothing.
    NotOwner,
}

impl RequestHead {
    /// `headers` replace those of `parts`.
    pub(super) fn new(parts: &Parts, headers: &HeaderMap, parcel: Option<Parcel>) -> Self {
        let (method, uri) = (parts.method.to_string(), parts.uri.to_string());
        let first_key_proven = parts.extensions.get::<FirstKeyProven>().is_some();
        Self { method, uri, headers: listed(headers), parcel, first_key_proven }
    }

    /// Returns the request's parts. `None` if they are not valid HTTP.
    pub(super) fn parts(&self) -> Option<(Method, Uri, HeaderMap)> {
        Some((self.method.parse().ok()?, self.uri.parse().ok()?, headers(&self.headers)?))
    }
}

impl AnswerHead {
    pub(super) fn new(status: StatusCode, headers: &HeaderMap, frame: u64) -> Self {
        Self::Answer { status: status.as_u16(), headers: listed(headers), frame }
    }
}

/// Reads the headers of a message. `None` if one is not valid, or if there are more than a map can hold.
pub(super) fn headers(listed: &[(String, Vec<u8>)]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::try_with_capacity(listed.len()).ok()?;
    for (name, value) in listed {
        headers.try_append(name.parse::<HeaderName>().ok()?, HeaderValue::from_bytes(value).ok()?).ok()?;
    }
    Some(headers)
}

fn listed(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect()
}

pub(super) fn written(head: &impl Serialize, body: &[u8]) -> Bytes {
    let head = serde_json::to_vec(head).expect("texts and numbers are always JSON");
    let mut bytes = BytesMut::with_capacity(LENGTH_BYTES + head.len() + body.len());
    bytes.put_u32(u32::try_from(head.len()).expect("a head is small"));
    bytes.put_slice(&head);
    bytes.put_slice(body);
    bytes.freeze()
}

/// Splits a message into its head and body. `None` if it is malformed.
pub(super) fn read<T: DeserializeOwned>(mut bytes: Bytes) -> Option<(T, Bytes)> {
    let length = u32::from_be_bytes(bytes.get(..LENGTH_BYTES)?.try_into().ok()?) as usize;
    let _ = bytes.split_to(LENGTH_BYTES);
    if bytes.len() < length {
        return None;
    }
    let head = bytes.split_to(length);
    Some((serde_json::from_slice(&head).ok()?, bytes))
}

#[cfg(test)]
#[path = "message_fuzz_tests.rs"]
mod fuzz_tests;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_survives_a_round_trip() {
        let mut headers = HeaderMap::new();
        headers.append("actor", HeaderValue::from_bytes("Jörg".as_bytes()).unwrap());
        headers.append("idempotency-key", HeaderValue::from_static("c-1"));
        let uri: Uri = "/v1/main/orders/order/o-1/draft-order?x=1".parse().unwrap();
        let (mut parts, ()) = axum::http::Request::post(uri.clone()).body(()).unwrap().into_parts();
        parts.extensions.insert(FirstKeyProven);
        let bytes = written(&RequestHead::new(&parts, &headers, None), b"{}");
        let (head, body) = read::<RequestHead>(bytes).unwrap();
        assert!(head.first_key_proven);
        assert_eq!((head.parts().unwrap(), body.as_ref()), ((Method::POST, uri, headers), &b"{}"[..]));
    }

    #[test]
    fn a_malformed_message_is_refused() {
        for bytes in [&b""[..], b"\0\0\0", b"\0\0\0\x09{}", b"\xff\xff\xff\xff{}", b"\0\0\0\x02[]"] {
            assert!(read::<RequestHead>(Bytes::from_static(bytes)).is_none(), "{bytes:?}");
        }
    }
}
