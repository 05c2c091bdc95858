//! `GET /v1/{tenant}/{domain}/{aggregate}/{id}`: an aggregate's state, now or as of a sequence or a time.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use polder_core::{Sequence, TimestampMs};
use polder_engine::AsOf;

use crate::access::{Caller, Hints};
use crate::app::App;
use crate::wire::http_status;
use crate::wire::path::PathParameters;
use crate::wire::problem::Problem;
use crate::wire::query::{Query, bad_parameter};
use crate::wire::response_json::{json_held, tagged};

pub(super) const PARAMETERS: &[&str] = &["sequence", "at"];

pub(super) async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    path: PathParameters,
    query: Query,
) -> Result<Response, Problem> {
    let (tenant, domain) = (path.tenant()?, path.domain()?);
    let (aggregate, id) = (path.aggregate()?, path.aggregate_id()?);
    let as_of = as_of(&query)?;
    let answer = app.host(&tenant).queries().state(&tenant, &domain, &aggregate, &id, as_of).await;
    let mut answer = answer.map_err(|error| error.for_caller(&caller, &tenant, &domain))?;
    let reserved = answer.reserved.take();
    Ok(tagged(json_held(StatusCode::OK, &answer, reserved), answer.sequence))
}

fn as_of(query: &Query) -> Result<AsOf, Problem> {
    match (query.number("sequence")?, query.one("at")?) {
        (None, None) => Ok(AsOf::Now),
        (Some(sequence), None) => Ok(AsOf::Sequence(Sequence(sequence))),
        (None, Some(at)) => Ok(AsOf::Time(time(at)?)),
        (Some(_), Some(_)) => {
            Err(Problem::new(&http_status::BAD_QUERY, "\"sequence\" and \"at\" exclude each other: give one of them"))
        }
    }
}

fn time(text: &str) -> Result<TimestampMs, Problem> {
    if let Ok(at_ms) = text.parse() {
        return Ok(TimestampMs(at_ms));
    }
    let at_ms = text.parse::<Timestamp>().ok().and_then(|at| u64::try_from(at.as_millisecond()).ok());
    at_ms.map(TimestampMs).ok_or_else(|| {
        bad_parameter(
            "at",
            &format!(
                "is {text:?}; an RFC 3339 time such as 2011-10-02T14:30:00Z, or milliseconds since 1970, would be right"
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(raw: &str) -> Option<AsOf> {
        as_of(&Query::parse(Some(raw), PARAMETERS).ok().unwrap()).ok()
    }

    #[test]
    fn a_past_state_is_selected_by_sequence_or_time() {
        assert_eq!(read(""), Some(AsOf::Now));
        assert_eq!(read("sequence=3"), Some(AsOf::Sequence(Sequence(3))));
        assert_eq!(read("at=1500"), Some(AsOf::Time(TimestampMs(1_500))));
        assert_eq!(read("at=1970-01-01T00:00:01.5Z"), Some(AsOf::Time(TimestampMs(1_500))));
        assert_eq!(read("at=1970-01-01T01:00:01.5%2B01:00"), Some(AsOf::Time(TimestampMs(1_500))));
    }

    #[test]
    fn anything_else_is_refused() {
        for raw in ["sequence=3&at=5", "sequence=x", "at=", "at=yesterday", "at=1969-12-31T00:00:00Z", "at=2011-10-02"]
        {
            assert_eq!(read(raw), None, "{raw}");
        }
    }
}
