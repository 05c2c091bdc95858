//! The parts of a query of a view: its conditions, its order, and how long it waits for the caller's own writes.

use polder_core::Position;
use polder_engine::{Direction, WaitFor};

use crate::wire::problem::Problem;
use crate::wire::query::{Query, bad_parameter};

/// The timeout if `after` comes without one, in milliseconds of wall time.
const WAIT_MS_DEFAULT: u64 = 2_000;
/// The longest timeout, in milliseconds of wall time. A caller that waits longer sends the query again instead of
/// holding a connection.
const WAIT_MS_MAX: u64 = 60_000;

/// Reads a condition, `field:value`.
pub(crate) fn filter(text: &str) -> Result<(String, String), Problem> {
    match text.split_once(':') {
        Some((field, value)) if !field.is_empty() => Ok((field.to_owned(), value.to_owned())),
        _ => Err(bad_parameter("where", &format!("is {text:?}; field:value would be right, as in status:submitted"))),
    }
}

/// Reads an order, `field` or `-field`.
pub(crate) fn order(text: &str) -> Result<(String, Direction), Problem> {
    let (field, direction) = match text.strip_prefix('-') {
        Some(field) => (field, Direction::Descending),
        None => (text, Direction::Ascending),
    };
    if field.is_empty() {
        return Err(bad_parameter(
            "order",
            &format!("is {text:?}; field or -field would be right, as in -total_cents"),
        ));
    }
    Ok((field.to_owned(), direction))
}

/// Reads the wait from the parameters `after` and `timeout_ms`.
pub(crate) fn wait(query: &Query) -> Result<Option<WaitFor>, Problem> {
    wait_for(query.number("after")?, query.number("timeout_ms")?)
}

/// The wait until a view has reached position `after`. `None` if the caller gave no position.
pub(crate) fn wait_for(after: Option<u64>, timeout_ms: Option<u64>) -> Result<Option<WaitFor>, Problem> {
    if timeout_ms.is_some_and(|timeout_ms| timeout_ms > WAIT_MS_MAX) {
        return Err(bad_parameter("timeout_ms", &format!("is more than {WAIT_MS_MAX}, the longest wait"))
            .with_limit("wait_ms_max", WAIT_MS_MAX));
    }
    match (after, timeout_ms) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(bad_parameter("timeout_ms", "needs \"after\", the position to wait for")),
        (Some(after), timeout_ms) => {
            Ok(Some(WaitFor { position: Position(after), timeout_ms: timeout_ms.unwrap_or(WAIT_MS_DEFAULT) }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(raw: &str) -> Option<Option<(u64, u64)>> {
        let query = Query::parse(Some(raw), &["after", "timeout_ms"]).ok().unwrap();
        wait(&query).ok().map(|wait| wait.map(|wait| (wait.position.0, wait.timeout_ms)))
    }

    #[test]
    fn a_timeout_needs_a_position() {
        assert_eq!(read(""), Some(None));
        assert_eq!(read("after=4"), Some(Some((4, WAIT_MS_DEFAULT))));
        assert_eq!(read("after=4&timeout_ms=0"), Some(Some((4, 0))));
        assert_eq!(read("timeout_ms=5"), None);
        assert_eq!(read("after=4&timeout_ms=60001"), None);
    }
}
