//! Runs before every handler but the probes: authenticates the caller and checks the route's permission.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http_body::Body as _;

use super::{Caller, RoutePermission};
use crate::app::App;
use crate::wire::content_type::BodyType;
use crate::wire::headers::Headers;
use crate::wire::http_status;
use crate::wire::path::Segments;
use crate::wire::problem::Problem;
use crate::wire::query::Query;

const AUTHORIZATION: &str = "authorization";
const SCHEME: &str = "bearer";

/// What a route requires and accepts.
#[derive(Clone, Copy)]
pub(crate) struct Entrance {
    pub(crate) permission: RoutePermission,
    /// The query parameters that the route takes.
    pub(crate) parameters: &'static [&'static str],
    pub(crate) body: BodyType,
}

/// Lets a request pass if its caller has the route's permission and its query and body fit the route.
pub(crate) async fn permitted(
    State((app, entrance)): State<(Arc<App>, Entrance)>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let caller = caller(&app, &parts.headers)?;
    let segments = Segments::from_request_parts(&mut parts, &app).await?;
    caller.check(&(entrance.permission)(&segments)?)?;
    let query = Query::parse(parts.uri.query(), entrance.parameters)?;
    if !body.is_end_stream() {
        entrance.body.check(&parts.headers)?;
    }
    parts.extensions.insert(caller);
    parts.extensions.insert(query);
    Ok(next.run(Request::from_parts(parts, body)).await)
}

/// Lets a request pass if its caller is authenticated, whatever the token permits. For answers that reveal nothing
/// stored here.
pub(crate) async fn authenticated(
    State(app): State<Arc<App>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    caller(&app, request.headers())?;
    Ok(next.run(request).await)
}

/// Authenticates the caller by the token in the headers.
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
    Problem::new(&http_status::NOT_AUTHENTICATED, detail)
}

/// Seconds since 1970. A clock before 1970 counts as 0, so that no token is valid yet.
pub(super) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_follows_its_scheme() {
        let token = |text: &'static str| bearer(text.as_bytes());
        assert_eq!(token("Bearer abc.def"), Some("abc.def"));
        assert_eq!(token("bearer  abc"), Some("abc"));
        for text in ["", "Bearer", "Basic YTpi", "Bearerabc", "abc.def.ghi"] {
            assert_eq!(token(text), None, "{text}");
        }
    }
}
