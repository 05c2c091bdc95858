//! Checks where answers may go. NATS publishes an answer on the request's reply subject with the rights of the host,
//! not of the client. So a reply subject is checked before the request is processed. Answers are sent to a [`ReplyTo`]
//! only.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_nats::Subject;
use polder_core::{CorrelationId, TenantName, subject};

use crate::throttle::Throttle;

/// Prefix of the subjects on which NATS clients wait for answers by default.
pub(crate) const INBOXES: &str = "_INBOX";
/// Prefix of the inboxes of hosts. Only another host may send an answer there.
const HOSTS_INBOXES: &str = "_INBOX.polder";
/// Prefix of the reply subject of a request from another account. The server makes the rest of the subject.
const ANOTHER_ACCOUNT: &str = "_R_";
/// Prefix of the reply subject of a request from another cluster. Two tokens for the origin follow.
const ANOTHER_CLUSTER: &str = "_GR_";
/// Longest reply subject that is accepted, in bytes.
const REPLY_SUBJECT_BYTES_MAX: usize = 512;

/// A subject that an answer may be sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyTo(Subject);

impl ReplyTo {
    /// The subject for the answer to a question, or for a reader's events. `None` if the id cannot be one token of a
    /// subject.
    pub fn result(tenant: &TenantName, correlation_id: &CorrelationId) -> Option<Self> {
        let is_token = !correlation_id.as_str().contains(['.', '*', '>']);
        is_token.then(|| Self(subject::result(tenant, correlation_id).into()))
    }

    /// The inbox of another host. `None` if the subject is no such inbox.
    fn host(subject: &Subject) -> Option<Self> {
        (is_plain(subject) && is_below(HOSTS_INBOXES, subject)).then(|| Self(subject.clone()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn subject(self) -> Subject {
        self.0
    }
}

/// The reply subjects that count as inboxes, and the number of refusals.
#[derive(Debug)]
pub(crate) struct Inboxes {
    prefixes: Vec<String>,
    refused: AtomicU64,
    log_throttle: Throttle,
}

/// The prefix for inboxes cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no prefix for inboxes: give tokens separated by dots, without wildcards, as in _INBOX_desk")]
pub struct BadPrefix(String);

impl Inboxes {
    /// `more` are prefixes in addition to `_INBOX`, for clients that use another.
    pub(crate) fn new(more: &[String]) -> Result<Arc<Self>, BadPrefix> {
        let bad = more.iter().find(|prefix| !is_plain(prefix));
        match bad {
            Some(prefix) => Err(BadPrefix(prefix.clone())),
            None => Ok(Arc::new(Self {
                prefixes: [INBOXES, ANOTHER_ACCOUNT]
                    .map(str::to_owned)
                    .into_iter()
                    .chain(more.iter().cloned())
                    .collect(),
                refused: AtomicU64::new(0),
                log_throttle: Throttle::default(),
            })),
        }
    }

    /// Number of refusals since the start.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Returns the reply subject if it may be answered. Otherwise it returns `None`, counts the request and logs it.
    pub(crate) fn check(&self, request: &str, reply: &Subject) -> Option<ReplyTo> {
        if self.is_inbox(reply) {
            return Some(ReplyTo(reply.clone()));
        }
        self.refuse(request, reply)
    }

    /// Like [`check`](Self::check), for requests that only another host may send.
    pub(crate) fn check_host(&self, request: &str, reply: &Subject) -> Option<ReplyTo> {
        ReplyTo::host(reply).or_else(|| self.refuse(request, reply))
    }

    fn refuse(&self, request: &str, reply: &Subject) -> Option<ReplyTo> {
        self.refused.fetch_add(1, Ordering::Relaxed);
        if let Some(unsaid) = self.log_throttle.now() {
            let (request, reply) = (request.escape_debug(), reply.escape_debug());
            tracing::warn!(
                %request, %reply, unsaid,
                "a request is neither carried out nor answered: its reply subject is not an inbox (--nats-inbox-prefix allows others)"
            );
        }
        None
    }

    fn is_inbox(&self, whole: &str) -> bool {
        let subject = within_cluster(whole);
        is_plain(whole)
            && !is_below(HOSTS_INBOXES, subject)
            && self.prefixes.iter().any(|prefix| is_below(prefix, subject))
    }
}

/// A prefix for the inboxes of one connection of a host.
pub(crate) fn host_prefix() -> String {
    format!("{HOSTS_INBOXES}.{}", uuid::Uuid::new_v4().simple())
}

/// The subject as the client set it: servers remove what they have put before it.
fn within_cluster(subject: &str) -> &str {
    let mut tokens = subject.splitn(4, '.');
    match (tokens.next(), tokens.next(), tokens.next(), tokens.next()) {
        (Some(ANOTHER_CLUSTER), Some(_), Some(_), Some(rest)) => rest,
        _ => subject,
    }
}

fn is_below(prefix: &str, subject: &str) -> bool {
    subject.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('.'))
}

/// Whether the subject has only plain tokens: none is empty or a wildcard, and no character could break a line of the
/// NATS protocol.
fn is_plain(subject: &str) -> bool {
    let is_visible = |one: char| !one.is_whitespace() && !one.is_control();
    subject.len() <= REPLY_SUBJECT_BYTES_MAX
        && subject.chars().all(is_visible)
        && subject.split('.').all(|token| !token.is_empty() && !token.contains(['*', '>']))
}

#[cfg(test)]
#[path = "reply_to_tests.rs"]
mod tests;
