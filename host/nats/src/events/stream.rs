//! The stream that holds a tenant's events. It is made with the right settings, refused if they differ, and filled anew
//! if messages are missing. It is also the claim of one history: a host that finds another history's stream does not
//! serve the tenant.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, State, StorageType, Stream};
use async_nats::jetstream::{Context, ErrorCode};
use polder_core::{DomainName, Position, TenantName};

use super::headers::{self, Mark};
use crate::connection::Connection;

/// Window of the server's duplicate detection. It is short because it costs memory, and expected sequences already make
/// publishing exact.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(2);
/// Messages of other clients at the stream's end that are skipped.
const STRANGE_MESSAGES_MAX: u64 = 1_000;
/// Wait before missing messages count as lost: a server that has just restarted may not have counted all of them.
const MISSING_WAIT: Duration = Duration::from_secs(1);

/// Metadata key of the id of the stream's history.
const HISTORY: &str = "polder-history";
/// Part of JetStream's errors while servers elect a leader: the problem is temporary.
const NO_LEADER: &str = "error code 10008";

/// Settings of event streams.
#[derive(Debug, Clone)]
pub struct EventStreams {
    /// Servers that hold a copy.
    pub replicas: usize,
}

#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// A temporary problem.
    #[error("NATS does not answer: {0}")]
    Away(String),
    /// A problem that an operator must solve.
    #[error("stream {stream:?} cannot be used: {problem}")]
    Unusable { stream: String, problem: String },
    /// The tenant of this name belongs to another host at these servers.
    #[error(
        "stream {stream:?} holds the events of another history, {found}: another host serves a tenant of this name over these NATS servers; \
         give this host a NATS account of its own, or, if the other history is gone for good, delete the stream (`nats stream rm {stream}`)"
    )]
    Foreign { stream: String, found: String },
}

/// The event stream of one tenant.
pub(super) struct EventStream {
    jetstream: Context,
    tenant: TenantName,
    history_id: String,
    name: String,
    replicas: usize,
    /// Domains whose events the stream has to take.
    domains: BTreeSet<DomainName>,
    open: Option<Open>,
}

/// The stream as it was found last.
struct Open {
    stream: Stream,
    domains: BTreeSet<DomainName>,
}

/// A message at the stream's end.
pub(super) enum End {
    /// The stream is new.
    Start,
    Ours {
        mark: Mark,
        /// Sequence of this message.
        own_sequence: u64,
        /// Sequence of the stream's last message, which may be another client's.
        sequence: u64,
    },
    /// The stream holds only messages of other clients.
    Foreign { sequence: u64 },
}

impl EventStreams {
    /// Deletes the stream of a tenant that is gone.
    pub async fn remove(&self, connection: &Connection, tenant: &TenantName) -> Result<(), StreamError> {
        let jetstream = async_nats::jetstream::new(connection.client().clone());
        let name = stream_name(tenant);
        match jetstream.delete_stream(&name).await {
            Ok(_) => Ok(()),
            Err(error) if error.to_string().contains("not found") => Ok(()),
            Err(error) => Err(failed(&name, error.to_string())),
        }
    }
}

fn stream_name(tenant: &TenantName) -> String {
    format!("polder-events-{tenant}")
}

impl EventStream {
    pub(super) fn new(connection: &Connection, tenant: TenantName, history_id: String, options: &EventStreams) -> Self {
        let jetstream = async_nats::jetstream::new(connection.client().clone());
        let name = stream_name(&tenant);
        let (replicas, domains) = (options.replicas, BTreeSet::new());
        Self { jetstream, tenant, history_id, name, replicas, domains, open: None }
    }

    pub(super) fn takes(&self, domain: &DomainName) -> bool {
        self.open.as_ref().is_some_and(|open| open.domains.contains(domain))
    }

    /// Makes sure that the stream exists with the right settings, and takes events of these domains too.
    pub(super) async fn ensure(&mut self, domains: impl IntoIterator<Item = DomainName>) -> Result<(), StreamError> {
        self.domains.extend(domains);
        self.find().await?;
        let made = match &self.open {
            Some(open) if self.domains.is_subset(&open.domains) => return Ok(()),
            Some(open) => {
                self.domains.extend(open.domains.iter().cloned());
                let updated = self.jetstream.update_stream(&self.config()).await;
                updated.map(drop).map_err(|error| error.to_string())
            }
            None => self.jetstream.create_stream(&self.config()).await.map(drop).map_err(|error| error.to_string()),
        };
        // Another host may have made it first; then the stream belongs to that host.
        match (made, self.find().await) {
            (Err(problem), Ok(())) => Err(self.failed(problem)),
            (_, found) => found,
        }
    }

    /// Finds the stream, and refuses it if its settings are wrong.
    async fn find(&mut self) -> Result<(), StreamError> {
        self.open = None;
        let stream = match self.jetstream.get_stream(&self.name).await {
            Ok(stream) => stream,
            Err(error) => {
                return match error.kind() {
                    GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => Ok(()),
                    _ => Err(self.failed(error.to_string())),
                };
            }
        };
        let domains = self.check(&stream.cached_info().config)?;
        self.open = Some(Open { stream, domains });
        Ok(())
    }

    /// The domains whose events a stream with this configuration takes.
    fn check(&self, found: &Config) -> Result<BTreeSet<DomainName>, StreamError> {
        match found.metadata.get(HISTORY) {
            Some(id) if *id == self.history_id => {}
            other => {
                let found = other.map_or("without an id", String::as_str).to_owned();
                return Err(StreamError::Foreign { stream: self.name.clone(), found });
            }
        }
        let mut domains = BTreeSet::new();
        for subject in found.subjects.iter().filter(|subject| **subject != self.no_domain()) {
            let domain =
                subject.strip_prefix(&format!("{}.", self.tenant)).and_then(|rest| rest.strip_suffix(".*.*.*"));
            match domain.map(DomainName::new) {
                Some(Ok(domain)) => drop(domains.insert(domain)),
                _ => return Err(self.unusable(format!("it takes {subject:?}, where no event of the tenant appears"))),
            }
        }
        match difference(found, &self.config()) {
            Some(difference) => Err(self.unusable(difference)),
            None => Ok(domains),
        }
    }

    /// Reads the end of the stream. A stream that has lost messages is made anew.
    pub(super) async fn end(&mut self) -> Result<End, StreamError> {
        self.ensure([]).await?;
        let mut state = self.state().await?;
        if missing(&state).is_some() {
            tokio::time::sleep(MISSING_WAIT).await;
            state = self.state().await?;
            if let Some(missing) = missing(&state) {
                tracing::warn!(stream = self.name, missing, "the stream has lost events; it is filled anew");
                self.jetstream.delete_stream(&self.name).await.map_err(|error| self.failed(error.to_string()))?;
                self.ensure([]).await?;
                return Ok(End::Start);
            }
        }
        let last = state.last_sequence;
        if last == 0 {
            return Ok(End::Start);
        }
        let first = state.first_sequence.max(last.saturating_sub(STRANGE_MESSAGES_MAX));
        for sequence in (first..=last).rev() {
            let stream = &self.stream()?.stream;
            let message = match stream.get_raw_message(sequence).await {
                Ok(message) => message,
                Err(error) => return Err(self.failed(error.to_string())),
            };
            if let Some(mark) = headers::mark(&message.headers) {
                return Ok(End::Ours { mark, own_sequence: sequence, sequence: last });
            }
        }
        match first {
            1 => Ok(End::Foreign { sequence: last }),
            _ => Err(self.unusable(format!("none of its last messages, {first} to {last}, is an event's"))),
        }
    }

    /// Checks that the stream still has the right settings and holds all that it ever took. If it returns false, read
    /// its end again.
    pub(super) async fn is_whole(&mut self) -> Result<bool, StreamError> {
        let Some(open) = &self.open else { return Ok(false) };
        let info = match open.stream.get_info().await {
            Ok(info) => info,
            Err(error) if error.to_string().contains("not found") => return Ok(false),
            Err(error) => return Err(self.failed(error.to_string())),
        };
        let domains = self.check(&info.config)?;
        Ok(missing(&info.state).is_none() && self.domains.is_subset(&domains))
    }

    async fn state(&self) -> Result<State, StreamError> {
        let info = self.stream()?.stream.get_info().await;
        info.map(|info| info.state).map_err(|error| self.failed(error.to_string()))
    }

    fn stream(&self) -> Result<&Open, StreamError> {
        self.open.as_ref().ok_or_else(|| StreamError::Away(format!("stream {} was deleted", self.name)))
    }

    fn config(&self) -> Config {
        let mut subjects: Vec<_> =
            self.domains.iter().map(|domain| format!("{}.{domain}.*.*.*", self.tenant)).collect();
        if subjects.is_empty() {
            subjects.push(self.no_domain());
        }
        Config {
            name: self.name.clone(),
            description: Some(format!("Events of Polder's tenant {}, in order, never expiring", self.tenant)),
            subjects,
            retention: RetentionPolicy::Limits,
            storage: StorageType::File,
            discard: DiscardPolicy::New,
            max_bytes: -1,
            max_messages: -1,
            max_messages_per_subject: -1,
            max_message_size: -1,
            max_consumers: -1,
            max_age: Duration::ZERO,
            num_replicas: self.replicas,
            duplicate_window: DUPLICATE_WINDOW,
            allow_direct: true,
            allow_atomic_publish: true,
            deny_delete: true,
            deny_purge: true,
            metadata: HashMap::from([(HISTORY.to_owned(), self.history_id.clone())]),
            ..Config::default()
        }
    }

    /// A subject for a stream without domains, because a stream must have one. Nothing is published there.
    fn no_domain(&self) -> String {
        format!("$polder.events.{}", self.tenant)
    }

    pub(super) fn unusable(&self, problem: String) -> StreamError {
        StreamError::Unusable { stream: self.name.clone(), problem }
    }

    pub(super) fn failed(&self, problem: String) -> StreamError {
        failed(&self.name, problem)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn tenant(&self) -> &TenantName {
        &self.tenant
    }
}

/// Sorts a problem. JetStream's own refusals carry a code. Everything else counts as no answer, and so does a cluster
/// without a leader.
fn failed(stream: &str, problem: String) -> StreamError {
    let is_refusal = problem.contains("error code") && !problem.contains(NO_LEADER);
    match is_refusal {
        true => StreamError::Unusable { stream: stream.to_owned(), problem },
        false => StreamError::Away(problem),
    }
}

/// Describes the messages that the stream took and no longer has.
fn missing(state: &State) -> Option<String> {
    let State { first_sequence: first, last_sequence: last, messages, .. } = *state;
    (last > 0 && (first > 1 || messages < last))
        .then(|| format!("it took {last} messages, and has {messages}, beginning with {first}"))
}

/// Describes the first setting that is wrong.
fn difference(found: &Config, wanted: &Config) -> Option<String> {
    let differs = |setting: &str, found: &dyn std::fmt::Debug, wanted: &dyn std::fmt::Debug| {
        let (found, wanted) = (format!("{found:?}"), format!("{wanted:?}"));
        (found != wanted).then(|| {
            format!(
                "its setting {setting} is {found}, where {wanted} is needed: put that right with `nats stream edit`"
            )
        })
    };
    differs("retention", &found.retention, &wanted.retention)
        .or_else(|| differs("storage", &found.storage, &wanted.storage))
        .or_else(|| differs("discard", &found.discard, &wanted.discard))
        .or_else(|| differs("max_age", &found.max_age, &wanted.max_age))
        .or_else(|| differs("max_bytes", &found.max_bytes, &wanted.max_bytes))
        .or_else(|| differs("max_msgs", &found.max_messages, &wanted.max_messages))
        .or_else(|| differs("max_msgs_per_subject", &found.max_messages_per_subject, &wanted.max_messages_per_subject))
        .or_else(|| differs("max_msg_size", &found.max_message_size, &wanted.max_message_size))
        .or_else(|| differs("num_replicas", &found.num_replicas, &wanted.num_replicas))
        .or_else(|| differs("allow_atomic", &found.allow_atomic_publish, &wanted.allow_atomic_publish))
        .or_else(|| differs("deny_delete", &found.deny_delete, &wanted.deny_delete))
        .or_else(|| differs("deny_purge", &found.deny_purge, &wanted.deny_purge))
        .or_else(|| differs("no_ack", &found.no_ack, &wanted.no_ack))
        .or_else(|| differs("sealed", &found.sealed, &wanted.sealed))
        .or_else(|| differs("allow_rollup_hdrs", &found.allow_rollup, &wanted.allow_rollup))
        .or_else(|| differs("mirror", &found.mirror.is_some(), &wanted.mirror.is_some()))
        .or_else(|| differs("sources", &found.sources.is_some(), &wanted.sources.is_some()))
        .or_else(|| {
            differs("subject_transform", &found.subject_transform.is_some(), &wanted.subject_transform.is_some())
        })
}

/// The position before the first event.
pub(super) const BEFORE_ALL: Position = Position(0);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_other_setting_is_named() {
        let wanted = Config { max_age: Duration::ZERO, num_replicas: 3, ..Config::default() };
        assert_eq!(difference(&wanted, &wanted), None);
        let found = Config { num_replicas: 1, ..wanted.clone() };
        assert!(difference(&found, &wanted).unwrap().starts_with("its setting num_replicas is 1, where 3 is needed"));
        let found = Config { max_age: Duration::from_secs(60), no_ack: true, ..wanted.clone() };
        assert!(difference(&found, &wanted).unwrap().contains("max_age is 60s"));
        let found = Config { deny_purge: false, deny_delete: true, ..wanted.clone() };
        assert!(difference(&found, &Config { deny_purge: true, ..wanted }).unwrap().contains("deny_"));
    }
}
