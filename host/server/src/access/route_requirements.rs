//! What a route requires of a request. Checked before every handler but the probes: the caller, the route's permission,
//! the query parameters, and the type of the body.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http_body::Body as _;

use super::authenticator::Authenticator;
use super::route_permission::RoutePermission;
use crate::wire::content_type::BodyType;
use crate::wire::path::PathParameters;
use crate::wire::problem::Problem;
use crate::wire::query::Query;

#[derive(Clone, Copy)]
pub(crate) struct RouteRequirements {
    pub(crate) permission: RoutePermission,
    /// The query parameters that the route takes.
    pub(crate) parameters: &'static [&'static str],
    pub(crate) body: BodyType,
}

/// Lets a request pass if its caller has the route's permission and its query and body fit the route.
pub(crate) async fn permitted(
    State((authenticator, requirements)): State<(Arc<Authenticator>, RouteRequirements)>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let caller = authenticator.caller(&parts.headers)?;
    let path = PathParameters::from_request_parts(&mut parts, &()).await?;
    caller.check(&(requirements.permission)(&path)?)?;
    let query = Query::parse(parts.uri.query(), requirements.parameters)?;
    if !body.is_end_stream() {
        requirements.body.check(&parts.headers)?;
    }
    parts.extensions.insert(caller);
    parts.extensions.insert(query);
    Ok(next.run(Request::from_parts(parts, body)).await)
}

/// Lets a request pass if its caller is authenticated, whatever the token permits. For answers that reveal nothing
/// stored here.
pub(crate) async fn authenticated(
    State(authenticator): State<Arc<Authenticator>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    authenticator.caller(request.headers())?;
    Ok(next.run(request).await)
}
