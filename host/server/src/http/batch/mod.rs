//! `POST /v1/{tenant}/commands`: many commands in one request, one line of JSON each. Each is answered by a line as
//! soon as it is decided. Lines are taken in order, so the commands of one aggregate are decided in order. Answers come
//! in any order, with the number of their line.
//!
//! A bad line gets a problem as its answer, and the batch goes on. When the host cannot take a line, it waits a little
//! and then ends the response early, with the number of lines that were taken: no line after these had an effect.
//!
//! ```text
//!   body ─▶ lines ─▶ permitted? ─▶ in flight (bounded) ─▶ answers waiting (bounded) ─▶ client
//! ```
//! NATS takes batches as well: `requests::batch_line` reads a line, and `requests::batch_answers` writes an answer, for
//! both.
//!
//! The body is read while answers are written. A client may send everything before it reads, as long as the answers fit
//! into [`ANSWER_BYTES_WAITING_MAX`] and the connection's own buffers.

mod forward_lines;
#[cfg(test)]
mod fuzz_tests;
mod lines;
mod task;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http_body::Body as _;
use polder_core::MemoryPurpose;
use tokio::sync::mpsc;

use lines::Lines;
use task::{ANSWER_PIECE_BYTES, Batch, LINE_BYTES_IN_FLIGHT_MAX, Source};

use crate::access::Caller;
use crate::app::App;
use crate::requests::batch_line::LINE_HEAD_BYTES_MAX;
use crate::wire::content_type::NDJSON;
use crate::wire::headers::{self, bad_header};
use crate::wire::path::PathParameters;
use crate::wire::problem::Problem;
use crate::wire::query::Query;
use crate::wire::refusals::memory_exhausted;

/// The most answers that a client has not read yet, in bytes. At this bound no more lines are taken.
const ANSWER_BYTES_WAITING_MAX: usize = 1024 * 1024;
/// Headers of a single command that are members of each line in a batch.
const OF_A_LINE: [(&str, &str); 6] = [
    (headers::IDEMPOTENCY_KEY, "command_id"),
    (headers::IF_MATCH, "expected_sequence"),
    (headers::CORRELATION_ID, "correlation_id"),
    (headers::CAUSATION_ID, "causation_id"),
    (headers::ACTOR, "actor"),
    (headers::RETRY_REJECTED, "retry_rejected"),
];

pub(super) const PARAMETERS: &[&str] = &["first_line"];

pub(super) async fn submit(
    State(app): State<Arc<App>>,
    caller: Caller,
    path: PathParameters,
    query: Query,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let tenant = path.tenant()?;
    check_headers(&parts.headers)?;
    let first_line = query.number("first_line")?.unwrap_or(1);
    let limits = app.host(&tenant).queries().limits(&tenant)?;
    let line_bytes_max = usize::try_from(limits.command_bytes_max + LINE_HEAD_BYTES_MAX).unwrap_or(usize::MAX);
    let traceparent = headers::traceparent(&parts.headers)?.map(str::to_owned);
    let body_bytes = body.size_hint().upper().unwrap_or(u64::MAX).max(line_bytes_max as u64);
    let bytes = body_bytes.min(LINE_BYTES_IN_FLIGHT_MAX as u64) + ANSWER_BYTES_WAITING_MAX as u64;
    let memory = app.host(&tenant).memory().try_reserve(MemoryPurpose::RequestBodies, bytes);
    let memory = memory.map_err(|exhausted| memory_exhausted(exhausted.to_string(), &exhausted))?;
    let (answers, waiting) = mpsc::channel(ANSWER_BYTES_WAITING_MAX / ANSWER_PIECE_BYTES);
    let source = Source { app, tenant, caller, traceparent, parts, _memory: memory };
    // A task of its own, which reads lines even while the client does not read the answers.
    tokio::spawn(Batch::new(source, Lines::new(body, first_line, line_bytes_max), answers).run());
    Ok(respond(waiting))
}

fn check_headers(headers: &HeaderMap) -> Result<(), Problem> {
    for (header, member) in OF_A_LINE {
        if headers.contains_key(header) {
            return Err(bad_header(
                header,
                &format!("is for one command: here each line may have a member {member:?}"),
            ));
        }
    }
    Ok(())
}

fn respond(waiting: mpsc::Receiver<Bytes>) -> Response {
    let pieces = futures::stream::unfold(waiting, |mut waiting| async move {
        let piece = waiting.recv().await?;
        Some((Ok::<_, std::convert::Infallible>(piece), waiting))
    });
    let headers = [(CONTENT_TYPE, NDJSON), (CACHE_CONTROL, "no-store")];
    (StatusCode::OK, headers, Body::from_stream(pieces)).into_response()
}
