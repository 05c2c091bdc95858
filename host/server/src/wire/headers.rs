//! The headers that steer how a command is handled, the same over HTTP and NATS. A header that cannot be used is
//! refused by name.
//!
//! | header | meaning |
//! |---|---|
//! | `Idempotency-Key` | the command's id; quotes around it are dropped |
//! | `If-Match` | the expected sequence of the aggregate: `"5"` or `5` |
//! | `Correlation-Id`, `Causation-Id` | ids of the process that the command belongs to, and of its cause |
//! | `Actor` | the name of the caller |
//! | `traceparent` | W3C trace context: stored with the events |
//! | `Polder-Retry-Rejected` | `true`: a command that was rejected under the same id is decided again |
//! | `Polder-Hops` | number of translations between contexts that led to the message that caused it |

use std::str::FromStr;

use axum::http::{HeaderMap, HeaderValue};
use polder_core::translation::HOPS_MAX;
use polder_core::{CommandId, CorrelationId, ID_BYTES_MAX, NameError, Sequence, Trail};

use super::http_status;
use super::problem::Problem;

pub(crate) const IDEMPOTENCY_KEY: &str = "idempotency-key";
pub(crate) const IF_MATCH: &str = "if-match";
pub(crate) const CORRELATION_ID: &str = "correlation-id";
pub(crate) const CAUSATION_ID: &str = "causation-id";
pub(crate) const ACTOR: &str = "actor";
pub(crate) const TRACEPARENT: &str = "traceparent";
const TRACEPARENT_BYTES_MAX: usize = 128;
const HOPS: &str = "polder-hops";
pub(crate) const RETRY_REJECTED: &str = "polder-retry-rejected";
const LAST_EVENT_ID: &str = "last-event-id";

/// The headers of a request or message. Their names are case-insensitive.
pub(crate) trait Headers {
    /// The word for a header in refusals, and the name of the problem's member.
    const WHAT: &'static str = "header";

    /// The values of a header. `name` is in lower case.
    fn values<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a [u8]>;
}

impl Headers for HeaderMap {
    fn values<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
        self.get_all(name).iter().map(HeaderValue::as_bytes)
    }
}

pub(crate) fn command_id(headers: &impl Headers) -> Result<Option<CommandId>, Problem> {
    let Some(text) = one(headers, IDEMPOTENCY_KEY)? else { return Ok(None) };
    named(IDEMPOTENCY_KEY, unquoted(text)).map(Some)
}

pub(crate) fn correlation_id(headers: &impl Headers) -> Result<Option<CorrelationId>, Problem> {
    one(headers, CORRELATION_ID)?.map(|text| named(CORRELATION_ID, text)).transpose()
}

pub(crate) fn causation_id(headers: &impl Headers) -> Result<Option<CorrelationId>, Problem> {
    one(headers, CAUSATION_ID)?.map(|text| named(CAUSATION_ID, text)).transpose()
}

pub(crate) fn actor(headers: &impl Headers) -> Result<Option<String>, Problem> {
    let Some(text) = one(headers, ACTOR)? else { return Ok(None) };
    if text.is_empty() || text.len() > ID_BYTES_MAX || text.chars().any(char::is_control) {
        let rule = format!("a name of 1 to {ID_BYTES_MAX} bytes without control characters would be right");
        return Err(bad(headers, ACTOR, &format!("has {} bytes; {rule}", text.len())));
    }
    Ok(Some(text.to_owned()))
}

pub(crate) fn trail(headers: &impl Headers) -> Result<Trail, Problem> {
    Ok(Trail { traceparent: traceparent(headers)?.map(str::to_owned), hops: hops(headers)? })
}

pub(crate) fn traceparent(headers: &impl Headers) -> Result<Option<&str>, Problem> {
    let Some(trace) = one(headers, TRACEPARENT)? else { return Ok(None) };
    if trace.is_empty() || trace.len() > TRACEPARENT_BYTES_MAX || !trace.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(bad(headers, TRACEPARENT, "is no trace context: 00-{trace id}-{span id}-{flags} would be right"));
    }
    Ok(Some(trace))
}

fn hops(headers: &impl Headers) -> Result<u32, Problem> {
    let Some(text) = one(headers, HOPS)? else { return Ok(0) };
    match text.parse() {
        Ok(hops) if hops <= HOPS_MAX => Ok(hops),
        Ok(hops) => {
            let message = format!(
                "counts {hops} translations behind this message, and {HOPS_MAX} are allowed: it goes round in a loop"
            );
            Err(bad_header(HOPS, &message))
        }
        Err(_) => Err(bad_header(HOPS, &format!("is {text:?}; a whole number would be right"))),
    }
}

pub(crate) fn retry_rejected(headers: &impl Headers) -> Result<bool, Problem> {
    match one(headers, RETRY_REJECTED)? {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => Err(bad_header(RETRY_REJECTED, &format!("is {other:?}; true or false would be right"))),
    }
}

pub(crate) fn expected_sequence(headers: &impl Headers) -> Result<Option<Sequence>, Problem> {
    let Some(text) = one(headers, IF_MATCH)? else { return Ok(None) };
    match unquoted(text).parse() {
        Ok(sequence) => Ok(Some(Sequence(sequence))),
        Err(_) => Err(bad_header(
            IF_MATCH,
            &format!(
                "is {text:?}; one sequence would be right, as in \"5\" (\"0\": the aggregate must be new). \
                 A '*', a weak tag or a list does not name one sequence"
            ),
        )),
    }
}

/// Returns the id of the last event that a reader of server-sent events got.
pub(crate) fn last_event_id(headers: &impl Headers) -> Result<Option<u64>, Problem> {
    let position = |text: &str| {
        text.parse().map_err(|_| bad_header(LAST_EVENT_ID, &format!("is {text:?}; the id of an event would be right")))
    };
    one(headers, LAST_EVENT_ID)?.map(position).transpose()
}

/// The value of a header that may be there once.
pub(crate) fn one<'a>(headers: &'a impl Headers, name: &'static str) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.values(name);
    let Some(first) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(bad_header(name, "is there more than once: give it once"));
    }
    match str::from_utf8(first) {
        Ok(text) => Ok(Some(text)),
        Err(_) => Err(bad_header(name, "is not UTF-8")),
    }
}

fn named<T: FromStr<Err = NameError>>(name: &'static str, text: &str) -> Result<T, Problem> {
    text.parse().map_err(|error: NameError| bad_header(name, &format!("cannot be used: {error}")))
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text)
}

/// Refuses a header. `problem` continues the text "header x …".
pub(crate) fn bad_header(name: &'static str, problem: &str) -> Problem {
    Problem::new(&http_status::BAD_HEADER, format!("header {name} {problem}")).with("header", name)
}

fn bad<H: Headers>(_: &H, name: &'static str, problem: &str) -> Problem {
    Problem::new(&http_status::BAD_HEADER, format!("{} {name} {problem}", H::WHAT)).with(H::WHAT, name)
}

#[cfg(test)]
#[path = "headers_fuzz_tests.rs"]
mod fuzz_tests;

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, values: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    fn sequence(text: &str) -> Option<u64> {
        let headers = headers("if-match", &[text.as_bytes()]);
        expected_sequence(&headers).ok().map(|sequence| sequence.unwrap().0)
    }

    #[test]
    fn a_sequence_may_be_quoted() {
        assert_eq!((sequence("5"), sequence("\"5\""), sequence("\"0\"")), (Some(5), Some(5), Some(0)));
        for text in ["*", "W/\"5\"", "\"5\", \"6\"", "", "\"", "\"five\"", "-1", "5.0"] {
            assert_eq!(sequence(text), None, "{text}");
        }
        assert!(expected_sequence(&HeaderMap::new()).ok().unwrap().is_none());
    }

    #[test]
    fn a_key_may_be_quoted() {
        let id = |text: &[u8]| command_id(&headers("idempotency-key", &[text])).ok().flatten();
        assert_eq!(id(b"row-7").unwrap().as_str(), "row-7");
        assert_eq!(id(b"\"row-7\"").unwrap().as_str(), "row-7");
        for text in [&b""[..], b"\"\"", b"two words", "ü".as_bytes(), b"\xff", &[b'x'; 129]] {
            assert_eq!(id(text), None, "{text:?}");
        }
        assert!(command_id(&headers("idempotency-key", &[b"a", b"a"])).is_err());
    }

    #[test]
    fn hops_are_counted_up_to_a_bound() {
        let hops = |text: &[u8]| trail(&headers("polder-hops", &[text])).ok().map(|trail| trail.hops);
        assert_eq!((hops(b"0"), hops(b"8")), (Some(0), Some(8)));
        for text in [&b"9"[..], b"-1", b"", b"many", b"99999999999"] {
            assert_eq!(hops(text), None, "{text:?}");
        }
        assert_eq!(trail(&HeaderMap::new()).ok(), Some(Trail::default()));
    }

    #[test]
    fn a_trace_is_short_and_visible() {
        let trace = |text: &[u8]| trail(&headers("traceparent", &[text])).ok().and_then(|trail| trail.traceparent);
        assert_eq!(trace(b"00-4bf9-00f0-01").as_deref(), Some("00-4bf9-00f0-01"));
        for text in [&b""[..], b"one two", b"\xff", &[b'x'; 129]] {
            assert_eq!(trace(text), None, "{text:?}");
        }
    }

    #[test]
    fn an_actor_is_any_short_text() {
        let name = |text: &[u8]| actor(&headers("actor", &[text])).ok().flatten();
        assert_eq!(name("Jörg Müller".as_bytes()).as_deref(), Some("Jörg Müller"));
        for text in [&b""[..], b"a\tb", b"\xff", &[b'x'; 129]] {
            assert_eq!(name(text), None, "{text:?}");
        }
    }
}
