//! Responses in JSON.

use axum::http::header::{CONTENT_TYPE, ETAG};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use polder_core::{MemoryReservation, Sequence};
use serde::Serialize;

const APPLICATION_JSON: HeaderValue = HeaderValue::from_static("application/json");

pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let body = serde_json::to_vec(value).expect("answers have string keys only, and so always serialize");
    let mut response = (status, body).into_response();
    response.headers_mut().insert(CONTENT_TYPE, APPLICATION_JSON);
    response
}

/// Like [`json`]. `reserved` is the memory of the body, which is released once the client has taken it.
pub(crate) fn json_held(status: StatusCode, value: &impl Serialize, reserved: Option<MemoryReservation>) -> Response {
    let text = serde_json::to_vec(value).expect("answers have string keys only, and so always serialize");
    let mut response = (status, held(text, reserved)).into_response();
    response.headers_mut().insert(CONTENT_TYPE, APPLICATION_JSON);
    response
}

/// Returns bytes that release their reservation when the last of them is taken.
pub(crate) fn held(text: Vec<u8>, reserved: Option<MemoryReservation>) -> Bytes {
    held_with(text, reserved, ())
}

/// Like [`held`]. Also drops `guard` then.
pub(crate) fn held_with<G: Send + 'static>(text: Vec<u8>, mut reserved: Option<MemoryReservation>, guard: G) -> Bytes {
    if let Some(reserved) = &mut reserved {
        // The values that the text was made of are about to be dropped.
        reserved.shrink_to(text.len() as u64);
    }
    Bytes::from_owner(Held { text, _until_taken: (reserved, guard) })
}

struct Held<T> {
    text: Vec<u8>,
    _until_taken: T,
}

impl<T> AsRef<[u8]> for Held<T> {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

/// Adds the aggregate's sequence as the `ETag`, for a later `If-Match`.
pub(crate) fn tagged(mut response: Response, sequence: Sequence) -> Response {
    let tag = HeaderValue::try_from(format!("\"{sequence}\"")).expect("digits and quotes are good in a header");
    response.headers_mut().insert(ETAG, tag);
    response
}

#[cfg(test)]
mod tests {
    use polder_core::{MemoryBudget, MemoryPurpose};

    use super::*;

    #[test]
    fn a_text_is_reserved_until_its_last_byte_is_taken() {
        let budget = MemoryBudget::new(1_000);
        let reserved = budget.try_reserve(MemoryPurpose::Reads, 300).unwrap();
        let mut bytes = held(vec![b'x'; 100], Some(reserved));
        assert_eq!(budget.used(), 100);
        let head = bytes.split_to(40);
        drop(bytes);
        assert_eq!(budget.used(), 100, "a part is still there");
        drop(head);
        assert_eq!(budget.used(), 0);
    }
}
