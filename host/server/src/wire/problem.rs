//! A refusal as a problem document (RFC 9457). This module knows HTTP, but not why something is refused.

use std::fmt::Display;
use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};

use super::http_status::{self, Kind};

/// Hexadecimal digits of an incident's number.
const INCIDENT_DIGITS: usize = 12;
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
/// The authentication scheme of RFC 6750 that a caller needs.
const BEARER: HeaderValue = HeaderValue::from_static("Bearer");

pub(crate) struct Problem {
    kind: &'static Kind,
    detail: String,
    members: Map<String, Value>,
    wait_ms: Option<u64>,
    /// Whether nothing was done and the journal's owner may take the request.
    is_for_owner: bool,
}

/// Marks the response of a problem that is `for_owner`. A host that can reach the owner forwards the request instead of
/// sending the response.
#[derive(Clone, Copy)]
pub(crate) struct ForOwner;

#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(flatten)]
    members: &'a Map<String, Value>,
}

impl Problem {
    /// `detail` names the error and a correct value, with the values involved.
    pub(crate) fn new(kind: &'static Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), members: Map::new(), wait_ms: None, is_for_owner: false }
    }

    /// A failure whose cause only the operator may see, since it may hold paths or messages of libraries. The caller
    /// gets `detail`, the log gets `cause`, and both get the number of the incident.
    pub(crate) fn internal(kind: &'static Kind, detail: &str, cause: &impl Display) -> Self {
        let incident = uuid::Uuid::new_v4().simple().to_string()[..INCIDENT_DIGITS].to_owned();
        tracing::error!(incident, kind = kind.name, %cause, "a request failed");
        Self::new(kind, format!("{detail}; the host's log says why, as incident {incident}")).with("incident", incident)
    }

    /// The host takes no changes. The caller gets the reason without file paths; the log gets all of it.
    pub(crate) fn read_only(detail: &str, reason: &str) -> Self {
        tracing::debug!(reason, "a change was refused");
        Self::new(&http_status::READ_ONLY, without_paths(detail)).with("reason", without_paths(reason))
    }

    /// Adds a machine-readable member: `known`, `expected`, `actual`, `limit`, …
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// Adds the limit that the request met: its name, under which the book's page on bounds lists it, and its value.
    pub(crate) fn with_limit(self, name: &str, value: impl Into<Value>) -> Self {
        debug_assert!(is_identifier(name), "{name:?} is no name of a limit");
        self.with("limit", value).with("limit_name", name)
    }

    /// Adds the names that would have been right.
    pub(crate) fn with_known<T: ToString>(self, known: &[T]) -> Self {
        let names: Vec<Value> = known.iter().map(|name| Value::String(name.to_string())).collect();
        self.with("known", names)
    }

    pub(crate) fn retry_after_ms(mut self, wait_ms: u64) -> Self {
        self.wait_ms = Some(wait_ms);
        self.with("retry_after_ms", wait_ms)
    }

    pub(crate) fn for_owner(mut self) -> Self {
        self.is_for_owner = true;
        self
    }

    pub(crate) fn is_for_owner(&self) -> bool {
        self.is_for_owner
    }

    /// Whether the refusal is temporary: the same request may succeed later.
    pub(crate) fn is_temporary(&self) -> bool {
        matches!(self.kind.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
    }

    pub(crate) fn is_of(&self, kind: &Kind) -> bool {
        self.kind.name == kind.name
    }

    /// The time after which the caller may try again.
    pub(crate) fn wait(&self) -> Option<Duration> {
        self.wait_ms.map(Duration::from_millis)
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.kind.status
    }

    /// A short title, the same for all problems of the kind.
    pub(crate) fn title(&self) -> &'static str {
        self.kind.title
    }
}

impl Problem {
    /// The problem document of RFC 9457.
    pub(crate) fn document(&self) -> impl Serialize {
        Document {
            r#type: format!("urn:polder:problem:{}", self.kind.name),
            title: self.kind.title,
            status: self.kind.status.as_u16(),
            detail: &self.detail,
            members: &self.members,
        }
    }
}

fn is_identifier(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

/// Returns `text` with each file path replaced by a placeholder.
pub(crate) fn without_paths(text: &str) -> String {
    let hidden = |word: &str| {
        let path = word.trim_start_matches(['"', '\'', '(', '`']);
        let is_path = path.starts_with('/') && path.len() > 1;
        if is_path { "(a file of the host)".to_owned() } else { word.to_owned() }
    };
    text.split(' ').map(hidden).collect::<Vec<_>>().join(" ")
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.document()).expect("strings and numbers always serialize");
        let mut response = (self.status(), body).into_response();
        response.headers_mut().insert(CONTENT_TYPE, PROBLEM_JSON);
        if self.status() == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, BEARER);
        }
        if self.is_for_owner {
            response.extensions_mut().insert(ForOwner);
        }
        // The header is in whole seconds, and 0 would invite a busy loop.
        if let Some(seconds) = self.wait_ms.map(|wait_ms| wait_ms.div_ceil(1_000).max(1)) {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn shown(problem: Problem) -> (StatusCode, Option<String>, Value) {
        let response = problem.into_response();
        let status = response.status();
        let retry_after = response.headers().get(RETRY_AFTER).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        let bytes = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        (status, retry_after, serde_json::from_slice(&bytes).unwrap())
    }

    #[tokio::test]
    async fn members_are_on_the_top_level_of_the_document() {
        let problem = Problem::new(&http_status::UNKNOWN_COMMAND, "no such command").with_known(&["a", "b"]);
        let (status, retry_after, document) = shown(problem).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert_eq!(retry_after, None);
        assert_eq!(
            document,
            serde_json::json!({ "type": "urn:polder:problem:unknown-command", "title": "Unknown command", "status": 404,
                                "detail": "no such command", "known": ["a", "b"] })
        );
    }

    #[test]
    fn file_paths_of_the_host_are_hidden() {
        for (text, expected) in [
            ("cannot sync /var/lib/polder/journal/7: no space", "cannot sync (a file of the host) no space"),
            ("cannot open \"/x y\" now", "cannot open (a file of the host) y\" now"),
            ("the limit is 3 / 4, and/or more", "the limit is 3 / 4, and/or more"),
        ] {
            assert_eq!(without_paths(text), expected);
        }
    }

    #[tokio::test]
    async fn an_incident_hides_its_cause_from_the_caller() {
        let cause = "disk I/O error in /var/lib/polder/views/main.sqlite";
        let problem = Problem::internal(&http_status::STORAGE_FAILED, "the host cannot read its data", &cause);
        let (status, _, document) = shown(problem).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        let incident = document["incident"].as_str().unwrap();
        assert!(document["detail"].as_str().unwrap().ends_with(&format!("as incident {incident}")));
        assert!(!document.to_string().contains("sqlite"), "{document}");
    }

    #[tokio::test]
    async fn retry_after_is_in_whole_seconds_and_never_zero() {
        for (wait_ms, seconds) in [(0, "1"), (1, "1"), (1_000, "1"), (1_001, "2")] {
            let (_, retry_after, _) = shown(Problem::new(&http_status::BUSY, "busy").retry_after_ms(wait_ms)).await;
            assert_eq!(retry_after.as_deref(), Some(seconds), "{wait_ms} ms");
        }
    }
}
