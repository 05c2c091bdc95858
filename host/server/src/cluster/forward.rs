//! Forwards requests that only a journal's owner can handle, and returns the owner's response unchanged. Queries are
//! answered here. On the owner's side the request passes the same routes and checks as if it had come by HTTP.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use polder_core::{MemoryPurpose, MemoryReservation};
use polder_engine::Host;
use polder_nats::journal::AskError;
use tower::ServiceExt as _;

use super::Cluster;
use super::ownership::Role;
use super::wire::{self, AnswerHead, RequestHead};
use crate::access::{self, RoutePermission};
use crate::app::App;
use crate::first_key::FirstKeyProven;
use crate::partitions::Partition;
use crate::path::Segments;
use crate::problem::{ForOwner, Problem};
use crate::refusals::memory_exhausted;
use crate::{body, problem_kinds};

/// The longest body that is forwarded, in bytes: that of a component.
const FORWARDED_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// The room in a message between hosts for everything but the body, in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// How long a request waits for a journal without an owner, in wall time, while the servers answer.
const OWNER_WAIT_MAX: Duration = Duration::from_secs(15);
/// How long a host that has just lost the journal may still take to answer, in wall time: after an orderly release it
/// finishes what it has begun.
const LAST_ANSWER_WAIT_MAX: Duration = Duration::from_secs(1);
/// The pause between two checks that the owner still sends heartbeats.
const SILENCE_LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// The pause between two checks for a new owner.
const LOOK_PAUSE: Duration = Duration::from_millis(50);

/// How long a forwarded request waits, in wall time. A request or its answer is lost when a host connects to another
/// server, so what can be sent again with the same ids ends soon.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ForwardWaits {
    /// For the owner's answer.
    answer: Duration,
    /// For the owner's changes to arrive here, so that the caller reads them from this host.
    catch_up: Duration,
}

impl ForwardWaits {
    pub(crate) const COMMAND: Self = Self { answer: Duration::from_secs(5), catch_up: Duration::from_secs(2) };
    /// Some lines of a batch.
    const LINES: Self = Self { answer: Duration::from_secs(30), catch_up: Duration::from_secs(2) };
    /// An administrative act. A deployment replays a history, and this host may have to load its component.
    pub(crate) const ACT: Self = Self { answer: Duration::from_secs(600), catch_up: Duration::from_secs(10) };
}

/// Marks a request that another host has forwarded. If this host does not own the journal any more, the forwarding host
/// finds the next owner.
#[derive(Clone, Copy)]
struct HandedOver;

/// Forwards a request to the journal's owner if that is another host. Runs before every route that changes something,
/// except the routes that act on the receiving host.
pub(crate) async fn forward(
    State((app, permission, waits)): State<(Arc<App>, RoutePermission, ForwardWaits)>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if app.parts.company().is_none() || request.extensions().get::<HandedOver>().is_some() {
        return Ok(next.run(request).await);
    }
    let (mut parts, sent) = request.into_parts();
    let segments = Segments::from_request_parts(&mut parts, &app).await;
    let tenant = match &segments {
        Ok(segments) => segments.tenant_if_any(),
        // A path that is not valid is refused here as well, after authentication.
        Err(_) => return Ok(next.run(Request::from_parts(parts, sent)).await),
    };
    let part = match tenant {
        Ok(Some(tenant)) => app.parts.of(&tenant),
        Ok(None) => app.parts.first(),
        // A tenant name that is not valid is refused here as well, after authentication.
        Err(_) => return Ok(next.run(Request::from_parts(parts, sent)).await),
    };
    let Some(cluster) = &part.cluster else {
        return Ok(next.run(Request::from_parts(parts, sent)).await);
    };
    // Checks the permission before a byte is read or stored for the owner, which checks it again.
    access::caller(&app, &parts.headers)?.check(&permission(&segments?)?)?;
    let sent = body::read(&app.memory, sent, FORWARDED_BYTES_MAX, "forwarded_bytes_max").await?;
    let start = Instant::now();
    loop {
        if part.host.is_leading() {
            let request = Request::from_parts(parts.clone(), Body::from(sent.clone()));
            let answer = next.clone().run(request).await;
            if answer.extensions().get::<ForOwner>().is_none() {
                return Ok(answer);
            }
        }
        if let Some(problem) = cluster.servers().problem() {
            return Err(silent(&problem));
        }
        let role = cluster.role.borrow().clone();
        let reason = match role {
            Role::Following { owner: Some(owner) } if *owner != *cluster.name => {
                match cluster.hand_over(&owner, &parts, &sent, waits).await? {
                    Some(answer) => return Ok(answer),
                    None => format!("host {owner} does not own the journal, or is not there"),
                }
            }
            Role::Broken(problem) => problem,
            _ => "no host owns it at the moment".to_owned(),
        };
        if start.elapsed() > OWNER_WAIT_MAX {
            return Err(Problem::new(
                &problem_kinds::NOT_READY,
                format!("no host takes changes to the journal: {reason}"),
            ));
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}

fn silent(problem: &str) -> Problem {
    Problem::new(&problem_kinds::NOT_READY, format!("nothing was done: {problem}"))
}

/// Forwards lines of a batch to the owner of the part's journal, and returns its response.
pub(crate) async fn hand_over_lines(
    part: &Partition,
    parts: &Parts,
    first_line: u64,
    lines: Bytes,
) -> Result<Response, Problem> {
    let not_ready = |problem: String| Problem::new(&problem_kinds::NOT_READY, problem);
    let cluster = part.cluster.as_ref().ok_or_else(|| not_ready("no other host is known".to_owned()))?;
    let mut parts = parts.clone();
    let uri = format!("{}?first_line={first_line}", parts.uri.path());
    parts.uri = uri.parse().map_err(|_| not_ready("the path cannot be forwarded".to_owned()))?;
    let start = Instant::now();
    loop {
        if let Some(problem) = cluster.servers().problem() {
            return Err(silent(&problem));
        }
        let role = cluster.role.borrow().clone();
        let answer = match role {
            // This host may have become the owner since the check before.
            Role::Leading => cluster
                .hand_over(&cluster.name, &parts, &lines, ForwardWaits::LINES)
                .await?
                .ok_or_else(|| "this host does not own the journal any more".to_owned()),
            Role::Following { owner: Some(owner) } => {
                let handed = cluster.hand_over(&owner, &parts, &lines, ForwardWaits::LINES).await?;
                handed.ok_or_else(|| format!("host {owner} does not own the journal, or is not there"))
            }
            Role::Broken(problem) => Err(problem),
            _ => Err("no host owns it at the moment".to_owned()),
        };
        match answer {
            Ok(answer) => return Ok(answer),
            Err(reason) if start.elapsed() > OWNER_WAIT_MAX => {
                return Err(not_ready(format!("no host takes changes to the journal: {reason}")));
            }
            Err(_) => tokio::time::sleep(LOOK_PAUSE).await,
        }
    }
}

impl Cluster {
    /// Sends a request to `owner` and returns its response. `None`: the owner certainly did nothing.
    async fn hand_over(
        &self,
        owner: &str,
        parts: &Parts,
        sent: &Bytes,
        waits: ForwardWaits,
    ) -> Result<Option<Response>, Problem> {
        let failed = |problem: String| Problem::new(&problem_kinds::NOT_READY, problem);
        let unknown = |problem: String| Problem::new(&problem_kinds::OUTCOME_UNKNOWN, problem);
        let mut headers = parts.headers.clone();
        headers.remove(CONTENT_LENGTH);
        headers.remove(TRANSFER_ENCODING);
        let mut parcel = None;
        if sent.len() + HEAD_BYTES_MAX > self.line.request_bytes_max() {
            let kept = self.objects.keep_parcel(sent).await;
            parcel = Some(kept.map_err(|error| {
                tracing::warn!(%error, owner, "a request is too large for a message, and cannot be kept for the owner");
                failed("nothing was done: the request cannot be forwarded to the journal's owner".to_owned())
            })?);
        }
        let inline = if parcel.is_some() { &[][..] } else { sent };
        let message = wire::written(&RequestHead::new(parts, &headers, parcel.clone()), inline);
        let mut role = self.role.clone();
        let deposed = async {
            let is_another = |role: &Role| !matches!(role, Role::Following { owner: Some(now) } if now == owner);
            // Ends early only if the member thread has ended. The owner is then unknown.
            let _ = role.wait_for(is_another).await;
            tokio::time::sleep(LAST_ANSWER_WAIT_MAX).await;
            "it lost the journal"
        };
        let silent = async {
            loop {
                // A new owner may not have been heard yet.
                tokio::time::sleep(SILENCE_LOOK_INTERVAL).await;
                // A host does not receive its own heartbeats.
                if *owner != *self.name && !self.division.is_heard(owner, Instant::now()) {
                    return "it is not heard any more";
                }
            }
        };
        let no_answer = |problem: &str| Err(AskError::NoAnswer { host: owner.to_owned(), problem: problem.to_owned() });
        let answer = tokio::select! {
            answer = self.line.ask(owner, message, waits.answer) => answer,
            problem = deposed => no_answer(problem),
            problem = silent => no_answer(problem),
            () = self.servers.silent() => no_answer("the servers between the hosts do not answer"),
        };
        if let Some(parcel) = parcel
            && let Err(error) = self.objects.remove_parcel(&parcel).await
        {
            tracing::debug!(%error, "cannot remove the stored body of a forwarded request; the server deletes it later");
        }
        let answer = match answer {
            Ok(answer) => answer,
            Err(AskError::NotThere(_)) => return Ok(None),
            Err(error) => {
                tracing::info!(%error, "a request to another host has no answer");
                return Err(unknown(format!(
                    "host {owner} did not answer; it may have done what was asked: send it again, with the same \
                     Idempotency-Key"
                )));
            }
        };
        match wire::read::<AnswerHead>(answer) {
            Some((AnswerHead::NotOwner, _)) => Ok(None),
            Some((AnswerHead::Answer { status, headers, frame }, body)) => {
                self.caught_up(frame, waits.catch_up).await;
                let (status, headers) = StatusCode::from_u16(status)
                    .ok()
                    .zip(wire::headers(&headers))
                    .ok_or_else(|| unknown(format!("host {owner} sent an answer that cannot be read")))?;
                Ok(Some((status, headers, body).into_response()))
            }
            None => Err(unknown(format!("host {owner} sent an answer that cannot be read"))),
        }
    }

    /// Waits until the owner's changes are here, so that the caller reads them from this host. Waits no longer than
    /// `wait_max`; a host that is still behind then logs a warning.
    async fn caught_up(&self, frame: u64, wait_max: Duration) {
        let mut followed = self.followed.clone();
        let is_behind = tokio::select! {
            _ = followed.wait_for(|number| *number >= frame) => false,
            () = self.servers.silent() => true,
            () = tokio::time::sleep(wait_max) => true,
        };
        if is_behind {
            tracing::warn!(frame, "this host is behind the journal's owner");
        }
    }

    async fn answer(&self, host: &Host, router: Router, message: Bytes) -> Bytes {
        if !host.is_leading() {
            return wire::written(&AnswerHead::NotOwner, b"");
        }
        let response = match self.request(host, message).await {
            Ok(request) => router.oneshot(request).await.unwrap_or_else(|never| match never {}),
            Err(problem) => problem.into_response(),
        };
        if response.extensions().get::<ForOwner>().is_some() {
            return wire::written(&AnswerHead::NotOwner, b"");
        }
        let (parts, body) = response.into_parts();
        match body.collect().await {
            Ok(body) => {
                let head = AnswerHead::new(parts.status, &parts.headers, host.last_frame());
                wire::written(&head, &body.to_bytes())
            }
            Err(error) => {
                let problem = Problem::new(&problem_kinds::STORAGE_FAILED, format!("the answer broke off: {error}"));
                wire::written(&AnswerHead::new(problem.into_response().status(), &Default::default(), 0), b"")
            }
        }
    }

    async fn request(&self, host: &Host, message: Bytes) -> Result<Request, Problem> {
        let bad = |detail: &str| Problem::new(&problem_kinds::BAD_BODY, detail);
        let (head, mut body) = wire::read::<RequestHead>(message).ok_or_else(|| bad("no request of another host's"))?;
        let (method, uri, headers) = head.parts().ok_or_else(|| bad("no request of HTTP"))?;
        if let Some(parcel) = &head.parcel {
            let held = host.memory().try_reserve(MemoryPurpose::RequestBodies, FORWARDED_BYTES_MAX);
            let mut held = held.map_err(|error| memory_exhausted(error.to_string(), &error))?;
            let found = self.objects.find_parcel(parcel).await.map_err(|error| {
                tracing::warn!(%error, "the body of a request from another host cannot be read");
                Problem::new(&problem_kinds::NOT_READY, "nothing was done: the body of the request cannot be read")
            })?;
            let bytes = found.ok_or_else(|| bad("its parcel is not there"))?;
            held.shrink_to(bytes.len() as u64);
            body = Bytes::from_owner(Parcelled { bytes, _held: held });
        }
        let mut request = Request::new(Body::from(body));
        (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) = (method, uri, headers);
        request.extensions_mut().insert(HandedOver);
        if head.first_key_proven {
            request.extensions_mut().insert(FirstKeyProven);
        }
        Ok(request)
    }
}

/// The body of a request from another host, with its reservation of the host's memory.
struct Parcelled {
    bytes: Vec<u8>,
    _held: MemoryReservation,
}

impl AsRef<[u8]> for Parcelled {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Answers the requests that other hosts forward to this part, until the server ends.
pub(crate) async fn serve_hosts(part: Arc<Partition>, router: Router) {
    let Some(cluster) = part.cluster.clone() else { return };
    let (line, name) = (cluster.line.clone(), Arc::clone(&cluster.name));
    let answered = line.answer(&name, |message| {
        let (cluster, host, router) = (cluster.clone(), part.host.clone(), router.clone());
        async move { cluster.answer(&host, router, message).await }
    });
    if let Err(error) = answered.await {
        tracing::error!(%error, "this host cannot be reached by the others");
    }
}
