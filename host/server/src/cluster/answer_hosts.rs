//! The owner's side of forwarded requests. Each one passes the same routes and checks as if it had come by HTTP.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::IntoResponse as _;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use polder_core::{MemoryPurpose, MemoryReservation};
use polder_engine::Host;
use tower::ServiceExt as _;

use super::ask_owner::{FORWARDED_BYTES_MAX, not_ready};
use super::message::{self, AnswerHead, RequestHead};
use super::shared_journal::SharedJournal;
use crate::access::first_key::FirstKeyProven;
use crate::wire::http_status;
use crate::wire::problem::{ForOwner, Problem};
use crate::wire::refusals::memory_exhausted;

/// Marks a request that another host has forwarded. If this host does not own the journal any more, the forwarding host
/// finds the next owner.
#[derive(Clone, Copy)]
pub(crate) struct Forwarded;

/// The body of a request from another host, with its reservation of the host's memory.
struct StoredBody {
    bytes: Vec<u8>,
    _held: MemoryReservation,
}

impl AsRef<[u8]> for StoredBody {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl SharedJournal {
    /// Answers the requests that other hosts forward to this one, until the server ends. `host` holds the journal's
    /// tenants.
    pub(crate) async fn serve_hosts(&self, host: &Host, router: &Router) {
        let answered = self.line.answer(&self.name, |message| {
            let (shared, host, router) = (self.clone(), host.clone(), router.clone());
            async move { shared.answer(&host, router, message).await }
        });
        if let Err(error) = answered.await {
            tracing::error!(%error, "this host cannot be reached by the others");
        }
    }

    async fn answer(&self, host: &Host, router: Router, message: Bytes) -> Bytes {
        if !host.is_leading() {
            return message::written(&AnswerHead::NotOwner, b"");
        }
        let response = match self.request(host, message).await {
            Ok(request) => router.oneshot(request).await.unwrap_or_else(|never| match never {}),
            Err(problem) => problem.into_response(),
        };
        if response.extensions().get::<ForOwner>().is_some() {
            return message::written(&AnswerHead::NotOwner, b"");
        }
        let (parts, body) = response.into_parts();
        match body.collect().await {
            Ok(body) => {
                let head = AnswerHead::new(parts.status, &parts.headers, host.last_frame());
                message::written(&head, &body.to_bytes())
            }
            Err(error) => {
                let problem =
                    Problem::new(&http_status::STORAGE_FAILED, format!("the answer ended too early: {error}"));
                message::written(&AnswerHead::new(problem.into_response().status(), &Default::default(), 0), b"")
            }
        }
    }

    async fn request(&self, host: &Host, message: Bytes) -> Result<Request, Problem> {
        let bad = |detail: &str| Problem::new(&http_status::BAD_BODY, detail);
        let (head, mut body) =
            message::read::<RequestHead>(message).ok_or_else(|| bad("no request of another host's"))?;
        let (method, uri, headers) = head.parts().ok_or_else(|| bad("no request of HTTP"))?;
        if let Some(parcel) = &head.parcel {
            let held = host.memory().try_reserve(MemoryPurpose::RequestBodies, FORWARDED_BYTES_MAX);
            let mut held = held.map_err(|error| memory_exhausted(error.to_string(), &error))?;
            let found = self.objects.find_parcel(parcel).await.map_err(|error| {
                tracing::warn!(%error, "the body of a request from another host cannot be read");
                not_ready("the body of the request cannot be read")
            })?;
            let bytes = found.ok_or_else(|| bad("its parcel is not there"))?;
            held.shrink_to(bytes.len() as u64);
            body = Bytes::from_owner(StoredBody { bytes, _held: held });
        }
        let mut request = Request::new(Body::from(body));
        (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) = (method, uri, headers);
        request.extensions_mut().insert(Forwarded);
        if head.first_key_proven {
            request.extensions_mut().insert(FirstKeyProven);
        }
        Ok(request)
    }
}
