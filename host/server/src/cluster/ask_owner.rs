//! Sends requests that only a journal's owner can handle to the owner, and returns its response unchanged.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use polder_nats::journal::{AskError, Parcel};

use super::message::{self, AnswerHead, RequestHead};
use super::role::Role;
use super::shared_journal::SharedJournal;
use crate::wire::http_status;
use crate::wire::problem::Problem;

/// The longest body, in bytes, that is forwarded to the owner host.
pub(crate) const FORWARDED_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// How long a request waits for a journal without an owner, in wall time, while the servers answer.
pub(crate) const OWNER_WAIT_MAX: Duration = Duration::from_secs(15);
/// The pause between two checks for a new owner.
pub(crate) const OWNER_CHECK_PAUSE: Duration = Duration::from_millis(50);
/// The room in a message between hosts for everything but the body, in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// How long a host that has just lost the journal may still take to answer, in wall time: after an orderly release it
/// finishes what it has begun.
const LAST_ANSWER_WAIT_MAX: Duration = Duration::from_secs(1);
/// Retry hint when the owner takes no more requests, in milliseconds.
const BUSY_RETRY_MS: u64 = 1_000;
/// The pause between two checks that the owner still sends heartbeats.
const SILENCE_CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// How long a forwarded request waits, in wall time. A request or its answer is lost when a host connects to another
/// server, so what can be sent again with the same ids ends soon.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ForwardWaits {
    /// The longest wait for the owner's answer.
    answer: Duration,
    /// The longest wait for the owner's changes to arrive here, so that the caller reads them from this host.
    catch_up: Duration,
}

impl ForwardWaits {
    pub(crate) const COMMAND: Self = Self { answer: Duration::from_secs(5), catch_up: Duration::from_secs(2) };
    /// Some lines of a batch.
    const LINES: Self = Self { answer: Duration::from_secs(30), catch_up: Duration::from_secs(2) };
    /// An administrative act. A deployment replays a history, and this host may have to load its component.
    pub(crate) const ACT: Self = Self { answer: Duration::from_secs(600), catch_up: Duration::from_secs(10) };
}

/// The problem of a request that was not carried out, because the servers take nothing.
pub(crate) fn not_ready(problem: &str) -> Problem {
    Problem::new(&http_status::NOT_READY, format!("nothing was done: {problem}"))
}

/// The problem of a request that waited too long for an owner. `reason` is why the last attempt found none.
pub(crate) fn no_owner(reason: &str) -> Problem {
    Problem::new(&http_status::NOT_READY, format!("no host takes changes to the journal: {reason}"))
}

fn outcome_unknown(detail: String) -> Problem {
    Problem::new(&http_status::OUTCOME_UNKNOWN, detail)
}

impl SharedJournal {
    /// Sends a request once to the host that owns the journal, if that is another host. The inner `Err` is the reason
    /// why certainly nothing was done: the request may be sent again.
    pub(crate) async fn ask_other_owner(
        &self,
        parts: &Parts,
        body: &Bytes,
        waits: ForwardWaits,
    ) -> Result<Result<Response, String>, Problem> {
        match self.role_now() {
            Role::Following { owner: Some(owner) } if *owner != *self.name => {
                self.ask(&owner, parts, body, waits).await
            }
            Role::Broken(problem) => Ok(Err(problem)),
            _ => Ok(Err("no host owns it at the moment".to_owned())),
        }
    }

    /// Sends lines of a batch to the host that owns the journal, and returns its response. Waits a bounded time for an
    /// owner. `parts` is the head of the batch, and `first_line` the number of the first of these lines.
    pub(crate) async fn ask_lines(&self, parts: &Parts, first_line: u64, lines: Bytes) -> Result<Response, Problem> {
        let mut parts = parts.clone();
        let uri = format!("{}?first_line={first_line}", parts.uri.path());
        parts.uri = uri.parse().map_err(|_| Problem::new(&http_status::NOT_READY, "the path cannot be forwarded"))?;
        let start = Instant::now();
        loop {
            if let Some(problem) = self.servers().problem() {
                return Err(not_ready(&problem));
            }
            let answer = match self.role_now() {
                // This host may have become the owner since the check before.
                Role::Leading => self.ask(&self.name, &parts, &lines, ForwardWaits::LINES).await?,
                Role::Following { owner: Some(owner) } => self.ask(&owner, &parts, &lines, ForwardWaits::LINES).await?,
                Role::Broken(problem) => Err(problem),
                _ => Err("no host owns it at the moment".to_owned()),
            };
            match answer {
                Ok(answer) => return Ok(answer),
                Err(reason) if start.elapsed() > OWNER_WAIT_MAX => return Err(no_owner(&reason)),
                Err(_) => tokio::time::sleep(OWNER_CHECK_PAUSE).await,
            }
        }
    }

    /// Sends a request to `owner` and returns its response. The inner `Err` is the reason why the owner certainly did
    /// nothing.
    async fn ask(
        &self,
        owner: &str,
        parts: &Parts,
        body: &Bytes,
        waits: ForwardWaits,
    ) -> Result<Result<Response, String>, Problem> {
        let (message, parcel) = self.message(owner, parts, body).await?;
        let answer = self.answer_of(owner, message, waits.answer).await;
        if let Some(parcel) = parcel
            && let Err(error) = self.objects.remove_parcel(&parcel).await
        {
            tracing::debug!(%error, "cannot remove the stored body of a forwarded request; the server deletes it later");
        }
        let not_owner = || Ok(Err(format!("host {owner} does not own the journal, or is not connected")));
        let answer = match answer {
            Ok(answer) => answer,
            Err(AskError::NotThere(_)) => return not_owner(),
            Err(AskError::Busy { host, problem, request_numbers_max }) => {
                let detail = format!("host {host}, which owns the journal, takes no more requests: {problem}");
                return Err(Problem::new(&http_status::HOST_BUSY, detail)
                    .with_limit("request_numbers_max", request_numbers_max as u64)
                    .retry_after_ms(BUSY_RETRY_MS));
            }
            Err(error @ AskError::OtherTime { .. }) => {
                return Err(Problem::new(&http_status::NOT_READY, format!("{error}: set the clocks of the hosts")));
            }
            Err(error @ AskError::NoAnswer { .. }) => {
                tracing::info!(%error, "a request to another host has no answer");
                return Err(outcome_unknown(format!(
                    "host {owner} did not answer; it may have done what was asked: send it again, with the same \
                     Idempotency-Key"
                )));
            }
        };
        let unreadable = || outcome_unknown(format!("host {owner} sent an answer that cannot be read"));
        let (head, body) = message::read::<AnswerHead>(answer).ok_or_else(unreadable)?;
        let AnswerHead::Answer { status, headers, frame } = head else { return not_owner() };
        self.caught_up(frame, waits.catch_up).await;
        let status = StatusCode::from_u16(status).map_err(|_| unreadable())?;
        let headers = message::headers(&headers).ok_or_else(unreadable)?;
        Ok(Ok((status, headers, body).into_response()))
    }

    /// Writes the message for `owner`. A body that is too large for it is stored as a parcel, which the caller removes
    /// once the owner has answered.
    async fn message(&self, owner: &str, parts: &Parts, body: &Bytes) -> Result<(Bytes, Option<Parcel>), Problem> {
        let mut headers = parts.headers.clone();
        headers.remove(CONTENT_LENGTH);
        headers.remove(TRANSFER_ENCODING);
        if body.len() + HEAD_BYTES_MAX <= self.line.request_bytes_max() {
            return Ok((message::written(&RequestHead::new(parts, &headers, None), body), None));
        }
        let parcel = self.objects.keep_parcel(body).await.map_err(|error| {
            tracing::warn!(%error, owner, "a request is too large for a message, and cannot be kept for the owner");
            not_ready("the request cannot be forwarded to the journal's owner")
        })?;
        Ok((message::written(&RequestHead::new(parts, &headers, Some(parcel.clone())), &[]), Some(parcel)))
    }

    /// Waits for the answer of `owner`. Ends early when the owner loses the journal, when it is silent, or when the
    /// servers between the hosts are.
    async fn answer_of(&self, owner: &str, message: Bytes, wait_max: Duration) -> Result<Bytes, AskError> {
        let mut role = self.role();
        let is_deposed = async {
            let is_another = |role: &Role| !matches!(role, Role::Following { owner: Some(now) } if now == owner);
            // Ends early only if the ownership thread has ended. The owner is then unknown.
            let _ = role.wait_for(is_another).await;
            tokio::time::sleep(LAST_ANSWER_WAIT_MAX).await;
        };
        let is_silent = async {
            loop {
                // A new owner may not have been heard yet.
                tokio::time::sleep(SILENCE_CHECK_INTERVAL).await;
                // A host does not receive its own heartbeats.
                if *owner != *self.name && !self.assignment.is_heard(owner, Instant::now()) {
                    return;
                }
            }
        };
        let problem = tokio::select! {
            answer = self.line.ask(owner, message, wait_max) => return answer,
            () = is_deposed => "it lost the journal",
            () = is_silent => "it is not heard any more",
            () = self.servers.silent() => "the servers between the hosts do not answer",
        };
        Err(AskError::NoAnswer { host: owner.to_owned(), problem: problem.to_owned() })
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
}
