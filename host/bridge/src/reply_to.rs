//! Where answers may go. NATS publishes an answer wherever the request's reply subject points, with the rights of the host and not of the
//! caller, so a reply subject is checked before anything is done with the request. [`ReplyTo`] is the only thing that answers are sent to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_nats::Subject;
use polder_core::{CorrelationId, TenantName, subject};

use crate::throttle::Throttle;

/// Where clients of NATS wait for answers unless they are told otherwise.
const INBOXES: &str = "_INBOX";
/// Where connections of hosts wait for answers. Only another host may send one there.
const HOSTS_INBOXES: &str = "_INBOX.polder";
/// Stands before the reply subject of a request that came from another account. The server makes the rest of it.
const ANOTHER_ACCOUNT: &str = "_R_";
/// Stands before the reply subject of a request that came from another cluster, with two tokens that say from where.
const ANOTHER_CLUSTER: &str = "_GR_";
/// Longer reply subjects are refused, in bytes.
const REPLY_SUBJECT_BYTES_MAX: usize = 512;

/// A subject that an answer may be sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyTo(Subject);

impl ReplyTo {
    /// Where the answer to a question, or a reader's events, appear. `None`: the id cannot be one token of a subject.
    pub fn result(tenant: &TenantName, correlation_id: &CorrelationId) -> Option<Self> {
        let is_token = !correlation_id.as_str().contains(['.', '*', '>']);
        is_token.then(|| Self(subject::result(tenant, correlation_id).into()))
    }

    /// The inbox of another host. `None`: it is none.
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

/// Which reply subjects of callers are inboxes, and how often one was none.
#[derive(Debug)]
pub(crate) struct Inboxes {
    prefixes: Vec<String>,
    refused: AtomicU64,
    said: Throttle,
}

/// The prefix for inboxes cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no prefix for inboxes: tokens parted by dots, without wildcards, would be right, as in _INBOX_desk")]
pub struct BadPrefix(String);

impl Inboxes {
    /// `more` are prefixes beside `_INBOX`, for clients that were told to use another.
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
                said: Throttle::default(),
            })),
        }
    }

    /// Refusals since the start.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// The reply subject as one that may be answered. `None`: it is not an inbox; that is counted and logged.
    pub(crate) fn check(&self, request: &str, reply: &Subject) -> Option<ReplyTo> {
        if self.is_inbox(reply) {
            return Some(ReplyTo(reply.clone()));
        }
        self.refuse(request, reply)
    }

    /// As [`check`](Self::check), for what only another host may ask.
    pub(crate) fn check_host(&self, request: &str, reply: &Subject) -> Option<ReplyTo> {
        ReplyTo::host(reply).or_else(|| self.refuse(request, reply))
    }

    fn refuse(&self, request: &str, reply: &Subject) -> Option<ReplyTo> {
        self.refused.fetch_add(1, Ordering::Relaxed);
        if let Some(unsaid) = self.said.now() {
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

/// The subject as it is where the request was sent: servers take away what they have put before it.
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

/// Tokens that are neither empty nor wildcards, and nothing that a line of NATS's protocol could break at.
fn is_plain(subject: &str) -> bool {
    let is_visible = |one: char| !one.is_whitespace() && !one.is_control();
    subject.len() <= REPLY_SUBJECT_BYTES_MAX
        && subject.chars().all(is_visible)
        && subject.split('.').all(|token| !token.is_empty() && !token.contains(['*', '>']))
}

#[cfg(test)]
#[path = "reply_to_tests.rs"]
mod tests;
