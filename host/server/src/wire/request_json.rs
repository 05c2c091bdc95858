//! The one place where the server reads JSON of callers. There are three different refusals: for text that is not JSON,
//! for JSON beyond a limit, and for JSON with another content than expected.

use polder_core::{JSON_DEPTH_LIMIT, JSON_DEPTH_MAX, JSON_NUMBER_LIMIT, JsonError, check_json};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::http_status;
use super::problem::Problem;

/// Reads `bytes` as a `T`. In messages, `what` names the bytes, and `right` shows what would be right.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8], what: &str, right: &str) -> Result<T, Problem> {
    check_json(bytes).map_err(|error| refusal(what, &error))?;
    serde_json::from_slice(bytes)
        .map_err(|error| Problem::new(&http_status::BAD_BODY, format!("{what} cannot be read: {error}; {right}")))
}

/// Reads the line of a batch as a `T`, which may borrow from it. A line with another content is refused as a bad line,
/// and a line beyond a limit of JSON with the limit's name. The payload of a line that can be read is not checked here,
/// but with the command.
pub(crate) fn parse_line<'line, T: Deserialize<'line>>(line: &'line [u8]) -> Result<T, Problem> {
    serde_json::from_slice(line).map_err(|error| match check_json(line) {
        Err(beyond @ JsonError::NumberTooLarge { .. }) => refusal("the line", &beyond),
        // The line is one level around the payload.
        Err(JsonError::TooDeep { depth }) if depth > JSON_DEPTH_MAX + 1 => {
            refusal("the line", &JsonError::TooDeep { depth })
        }
        _ => Problem::new(&http_status::BAD_LINE, format!("the line cannot be read: {error}")),
    })
}

pub(crate) fn refusal(what: &str, error: &JsonError) -> Problem {
    let problem = |kind| Problem::new(kind, format!("{what} {error}"));
    match error {
        JsonError::NotUtf8(_) | JsonError::Syntax(_) => problem(&http_status::NOT_JSON),
        JsonError::TooDeep { depth } => {
            problem(&http_status::JSON_LIMIT).with_limit(JSON_DEPTH_LIMIT, JSON_DEPTH_MAX).with("actual", *depth)
        }
        JsonError::NumberTooLarge { number } => {
            problem(&http_status::JSON_LIMIT).with_limit(JSON_NUMBER_LIMIT, f64::MAX).with("actual", number.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_its_own_status() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let read = |text: &str| parse::<Vec<u8>>(text.as_bytes(), "the list", "[1] would be right");
        assert_eq!(read("[1, 2]").ok().unwrap(), [1, 2]);
        for (text, status) in [("[1", 400), ("{}", 400), ("[1e400]", 422), (&nested(101), 422), (&nested(130), 422)] {
            assert_eq!(read(text).err().map(|problem| problem.status().as_u16()), Some(status), "{text}");
        }
    }

    #[test]
    fn a_line_beyond_a_limit_is_refused_with_the_limits_name() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        for (text, limit) in [
            ("1e400", Some("json_number_max")),
            (&nested(200), Some("json_depth_max")),
            (&nested(101), None),
            ("1.5", None),
            ("[", None),
        ] {
            let problem = parse_line::<u64>(text.as_bytes()).expect_err("no number is read");
            let document = serde_json::to_value(problem.document()).unwrap();
            let status = if limit.is_some() { 422 } else { 400 };
            assert_eq!((document["limit_name"].as_str(), problem.status().as_u16()), (limit, status), "{text}");
        }
    }
}
