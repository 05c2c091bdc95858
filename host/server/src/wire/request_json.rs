//! The one place where the server reads JSON of callers. There are three different refusals: for text that is not JSON,
//! for JSON beyond a limit, and for JSON with another content than expected.

use polder_core::{JSON_DEPTH_LIMIT, JSON_DEPTH_MAX, JSON_NUMBER_LIMIT, JsonError, check_json};
use serde::de::DeserializeOwned;

use super::http_status;
use super::problem::Problem;

/// Reads `bytes` as a `T`. In messages, `what` names the bytes, and `right` shows what would be right.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8], what: &str, right: &str) -> Result<T, Problem> {
    check_json(bytes).map_err(|error| refusal(what, &error))?;
    serde_json::from_slice(bytes)
        .map_err(|error| Problem::new(&http_status::BAD_BODY, format!("{what} cannot be read: {error}; {right}")))
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
}
