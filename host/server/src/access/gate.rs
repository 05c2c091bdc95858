//! Stands before every handler but the probes: finds out who asks and, where a route demands it, whether they may.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::Response;

use super::{Caller, Demand};
use crate::app::App;
use crate::headers::Headers;
use crate::kinds;
use crate::problem::Problem;
use crate::segments::Segments;

const AUTHORIZATION: &str = "authorization";
const SCHEME: &str = "bearer";

/// Lets through whoever may do what the route demands.
pub(crate) async fn permitted(
    State((app, demand)): State<(Arc<App>, Demand)>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let caller = caller(&app, &parts.headers)?;
    let segments = Segments::from_request_parts(&mut parts, &app).await?;
    caller.check(&demand(&segments)?)?;
    parts.extensions.insert(caller);
    Ok(next.run(Request::from_parts(parts, body)).await)
}

/// Lets through whoever has a good token, whatever it permits: for answers that tell of nothing that is kept here.
pub(crate) async fn authenticated(
    State(app): State<Arc<App>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    caller(&app, request.headers())?;
    Ok(next.run(request).await)
}

/// Who asks, by the token among the headers.
pub(crate) fn caller(app: &App, headers: &impl Headers) -> Result<Caller, Problem> {
    if app.verifier.is_open() {
        return Ok(Caller::Anyone);
    }
    let mut given = headers.values(AUTHORIZATION);
    let token = match (given.next(), given.next()) {
        (Some(one), None) => bearer(one),
        _ => None,
    };
    let token =
        token.ok_or_else(|| refused("a token is needed here: \"Authorization: Bearer TOKEN\" would be right"))?;
    app.verifier.verify(token, now_s()).map(Caller::Known).map_err(|error| refused(&error.to_string()))
}

fn bearer(value: &[u8]) -> Option<&str> {
    let (scheme, token) = str::from_utf8(value).ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case(SCHEME).then(|| token.trim_start_matches(' '))
}

fn refused(detail: &str) -> Problem {
    Problem::new(&kinds::NOT_AUTHENTICATED, detail)
}

/// Since 1970, in seconds. A clock before that is as good as none: every token is then one of the future.
fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_stands_behind_its_scheme() {
        let token = |text: &'static str| bearer(text.as_bytes());
        assert_eq!(token("Bearer abc.def"), Some("abc.def"));
        assert_eq!(token("bearer  abc"), Some("abc"));
        for text in ["", "Bearer", "Basic YTpi", "Bearerabc", "abc.def.ghi"] {
            assert_eq!(token(text), None, "{text}");
        }
    }
}
