//! Answers in JSON.

use axum::http::header::{CONTENT_TYPE, ETAG};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use polder_core::Sequence;
use serde::Serialize;

const APPLICATION_JSON: HeaderValue = HeaderValue::from_static("application/json");

pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let body = serde_json::to_vec(value).expect("answers have string keys only, and so always serialize");
    let mut response = (status, body).into_response();
    response.headers_mut().insert(CONTENT_TYPE, APPLICATION_JSON);
    response
}

/// Names the sequence that `If-Match` can ask for later.
pub(crate) fn tagged(mut response: Response, sequence: Sequence) -> Response {
    let tag = HeaderValue::try_from(format!("\"{sequence}\"")).expect("digits and quotes are good in a header");
    response.headers_mut().insert(ETAG, tag);
    response
}
