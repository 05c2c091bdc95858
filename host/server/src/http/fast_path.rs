//! The entry point of HTTP requests. Most requests are commands, and these bypass the router: its layers, each with a
//! future and allocations of its own, cost more than the rest of HTTP together. Commands meet the same checks in the
//! same order here. The router gets every request that is not certainly a command with a small body.

use std::sync::Arc;

use axum::http::request::Parts;
use axum::http::{Method, Request};
use axum::response::{IntoResponse as _, Response};
use axum::{BoxError, Router};
use bytes::Bytes;
use http_body::Body;
use http_body_util::Full;
use hyper::body::Incoming;
use polder_core::TenantName;
use tower::ServiceExt as _;

use super::commands;
use super::routes::{COMMAND, paths, router};
use crate::access::Permission;
use crate::access::first_key::FirstKeyProven;
use crate::app::App;
use crate::connections::{AnswerBody, ConnectionState, SentBody};
use crate::wire::address::CommandAddress;
use crate::wire::body;
use crate::wire::content_type::BodyType;
use crate::wire::drain_body::DRAIN_BYTES_MIN;
use crate::wire::problem::Problem;
use crate::wire::query::Query;
use crate::wire::request_head;

pub(crate) struct FastPath {
    app: Arc<App>,
    router: Router,
    reserved: Vec<Reserved>,
}

/// The index of a name in a path as long as a command's, and a fixed name. A path that has it there is another route's.
type Reserved = (usize, &'static str);

enum Submitted {
    Answered(Response),
    /// Another host owns the tenant's journal. Holds the body, to be forwarded.
    ForOwner(Bytes),
}

impl FastPath {
    pub(crate) fn new(app: Arc<App>) -> Self {
        Self { router: router(Arc::clone(&app)), app, reserved: reserved() }
    }

    pub(crate) async fn answer(&self, request: Request<Incoming>, state: Arc<ConnectionState>) -> Response<AnswerBody> {
        state.begin();
        let (head, body) = request.into_parts();
        let response = self.respond(head, SentBody::new(body, Arc::clone(&state))).await;
        AnswerBody::wrap(response, state)
    }

    async fn respond(&self, mut head: Parts, body: SentBody) -> Response {
        let is_open = self.app.authenticator.is_open();
        if let Err(problem) = request_head::check(&head, is_open) {
            return problem.into_response();
        }
        if is_open && self.app.partitions.first_key_proof().is_some_and(|proof| proof.is_in(&head.headers)) {
            head.extensions.insert(FirstKeyProven);
        }
        // The router reads large bodies to their end, and forwards the commands of other hosts.
        let is_small = body.size_hint().upper().is_some_and(|bytes| bytes < DRAIN_BYTES_MIN);
        if is_small
            && let Some(names) = names(&head, &self.reserved)
            && self.is_owned_here(names[0])
        {
            if self.app.partitions.cluster().is_none() {
                return self.submit(names, &head, body).await.unwrap_or_else(Problem::into_response);
            }
            return match self.submit_if_owner(names, &head, body).await {
                Submitted::Answered(response) => response,
                // The tenant's owner changed after the check above.
                Submitted::ForOwner(sent) => self.route(Request::from_parts(head, Full::new(sent))).await,
            };
        }
        self.route(Request::from_parts(head, body)).await
    }

    async fn route<B>(&self, request: Request<B>) -> Response
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        // Boxed, since it is large and would enlarge the future of every command.
        let Ok(response) = Box::pin(self.router.clone().oneshot(request)).await;
        response
    }

    fn is_owned_here(&self, tenant: &str) -> bool {
        // An invalid name is refused here as well as by the router.
        self.app.partitions.cluster().is_none()
            || TenantName::new(tenant).map_or(true, |tenant| self.app.host(&tenant).is_leading())
    }

    async fn submit_if_owner(&self, names: [&str; 5], head: &Parts, body: SentBody) -> Submitted {
        // No body reaches this limit: only smaller ones come here.
        let sent = match body::read(&self.app.memory, body, DRAIN_BYTES_MIN, "drain_bytes_min").await {
            Ok(sent) => sent,
            Err(problem) => return Submitted::Answered(problem.into_response()),
        };
        match self.submit(names, head, Full::new(sent.clone())).await {
            Err(problem) if problem.is_for_owner() => Submitted::ForOwner(sent),
            answered => Submitted::Answered(answered.unwrap_or_else(Problem::into_response)),
        }
    }

    async fn submit<B>(&self, names: [&str; 5], head: &Parts, body: B) -> Result<Response, Problem>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
    {
        let caller = self.app.authenticator.caller(&head.headers)?;
        let address = CommandAddress::new(names)?;
        caller.check(&Permission::to_send(&address))?;
        Query::parse(head.uri.query(), &[])?;
        if !body.is_end_stream() {
            BodyType::Json.check(&head.headers)?;
        }
        commands::answer(&self.app, &caller, address, &head.headers, body).await
    }
}

/// Returns the names in the path of a command. `None` for any other request, and for a path with escapes.
fn names<'a>(head: &'a Parts, reserved: &[Reserved]) -> Option<[&'a str; 5]> {
    let path = head.uri.path();
    if head.method != Method::POST || path.contains('%') {
        return None;
    }
    let mut rest = path.strip_prefix("/v1/")?.split('/');
    let mut next = || rest.next().filter(|name| !name.is_empty());
    let names = [next()?, next()?, next()?, next()?, next()?];
    let is_reserved = reserved.iter().any(|(index, word)| names[*index] == *word);
    (rest.next().is_none() && !is_reserved).then_some(names)
}

fn reserved() -> Vec<Reserved> {
    let names_of = |path: &'static str| path.trim_start_matches("/v1/").split('/');
    let length = names_of(COMMAND).count();
    let others = paths().filter(|path| *path != COMMAND && names_of(path).count() == length);
    others.flat_map(|path| names_of(path).enumerate()).filter(|(_, name)| !name.starts_with('{')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(method: Method, path: &str) -> Option<String> {
        let (head, ()) = Request::builder().method(method).uri(path).body(()).unwrap().into_parts();
        names(&head, &reserved()).map(|names| names.join(" "))
    }

    #[test]
    fn a_command_is_found_in_its_path() {
        let path = "/v1/main/orders/order/o-1/draft-order";
        assert_eq!(found(Method::POST, path).as_deref(), Some("main orders order o-1 draft-order"));
        assert_eq!(found(Method::POST, &format!("{path}?x=1/2")).as_deref(), Some("main orders order o-1 draft-order"));
        assert_eq!(
            found(Method::POST, "/v1/events/views/order/views/x").as_deref(),
            Some("events views order views x")
        );
    }

    #[test]
    fn a_path_of_another_route_is_no_command() {
        let path = "/v1/main/orders/order/o-1/draft-order";
        assert_eq!(found(Method::GET, path), None);
        for path in [
            "/v1/main/orders/order/o-1/events",
            "/v1/main/orders/views/summary/o-1",
            "/v1/main/orders/order/o%2D1/draft-order",
            "/v1/main/orders/order//draft-order",
            "/v1/main/orders/order/o-1/",
            "/v1/main/orders/order/o-1",
            "/v1/main/orders/order/o-1/draft-order/",
            "/v1/main/orders/order/o-1/draft-order/now",
            "/v2/main/orders/order/o-1/draft-order",
            "/",
        ] {
            assert_eq!(found(Method::POST, path), None, "{path}");
        }
    }
}
