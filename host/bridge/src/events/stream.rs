//! The stream that holds a tenant's events: made as it has to be, refused when it is otherwise.

use std::collections::BTreeSet;
use std::time::Duration;

use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType, Stream};
use async_nats::jetstream::{Context, ErrorCode};
use polder_core::{DomainName, Position, TenantName};

use super::headers::{self, Mark};
use crate::connection::Connection;

/// Exactness comes from expected sequences; the server need remember ids no longer than this. What it remembers takes memory.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(2);
/// So many messages of somebody else at the stream's end are looked past.
const STRANGE_MESSAGES_MAX: u64 = 1_000;

/// What JetStream's errors say while servers agree on a leader: it passes.
const NO_LEADER: &str = "code 503";

/// How event streams are to be made.
#[derive(Debug, Clone)]
pub struct EventStreams {
    /// Servers that hold a copy.
    pub replicas: usize,
}

#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// It passes by itself.
    #[error("NATS does not answer: {0}")]
    Away(String),
    /// Somebody has to look after it.
    #[error("stream {stream:?} cannot be used: {problem}")]
    Unusable { stream: String, problem: String },
}

/// One tenant's.
pub(super) struct EventStream {
    jetstream: Context,
    tenant: TenantName,
    name: String,
    replicas: usize,
    /// Whose events the stream takes.
    domains: BTreeSet<DomainName>,
    open: Option<Stream>,
}

/// A message at the stream's end.
pub(super) enum End {
    /// The stream is new.
    Start,
    Ours {
        mark: Mark,
        /// Of this message.
        own_sequence: u64,
        /// Of the stream's last, where somebody else's follow.
        sequence: u64,
    },
    /// Only messages of somebody else.
    Strange { sequence: u64 },
}

impl EventStreams {
    /// Deletes what is there of a tenant that is gone.
    pub async fn remove(&self, connection: &Connection, tenant: &TenantName) -> Result<(), StreamError> {
        EventStream::new(connection, tenant.clone(), self).remove().await
    }
}

fn stream_name(tenant: &TenantName) -> String {
    format!("polder-events-{tenant}")
}

impl EventStream {
    pub(super) fn new(connection: &Connection, tenant: TenantName, options: &EventStreams) -> Self {
        let jetstream = async_nats::jetstream::new(connection.client().clone());
        let name = stream_name(&tenant);
        Self { jetstream, tenant, name, replicas: options.replicas, domains: BTreeSet::new(), open: None }
    }

    pub(super) fn takes(&self, domain: &DomainName) -> bool {
        self.open.is_some() && self.domains.contains(domain)
    }

    /// Makes sure that the stream is there, as it has to be, and takes events of these domains too.
    pub(super) async fn ensure(&mut self, domains: impl IntoIterator<Item = DomainName>) -> Result<(), StreamError> {
        self.find().await?;
        let known = self.domains.len();
        self.domains.extend(domains);
        if self.domains.is_empty() || (self.open.is_some() && self.domains.len() == known) {
            return Ok(());
        }
        let config = self.config();
        let made = match self.open {
            Some(_) => self.jetstream.update_stream(&config).await.map(drop).map_err(|error| error.to_string()),
            None => self.jetstream.create_stream(&config).await.map(drop).map_err(|error| error.to_string()),
        };
        made.map_err(|problem| self.failed(problem))?;
        self.find().await
    }

    /// Looks whether it is there, and refuses it when it is not as it has to be.
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
        let found = &stream.cached_info().config;
        for subject in &found.subjects {
            let domain =
                subject.strip_prefix(&format!("{}.", self.tenant)).and_then(|rest| rest.strip_suffix(".*.*.*"));
            match domain.map(DomainName::new) {
                Some(Ok(domain)) => drop(self.domains.insert(domain)),
                _ => return Err(self.unusable(format!("it takes {subject:?}, where no event of the tenant appears"))),
            }
        }
        if let Some(difference) = difference(found, &self.config()) {
            return Err(self.unusable(difference));
        }
        self.open = Some(stream);
        Ok(())
    }

    /// Where the stream ends.
    pub(super) async fn end(&mut self) -> Result<End, StreamError> {
        self.ensure([]).await?;
        let Some(stream) = &self.open else { return Ok(End::Start) };
        let state = stream.get_info().await.map_err(|error| self.failed(error.to_string()))?.state;
        let last = state.last_sequence;
        if last == 0 {
            return Ok(End::Start);
        }
        if state.messages == 0 {
            return Err(self.unusable("it was emptied, so where it ended cannot be known".to_owned()));
        }
        let first = state.first_sequence.max(last.saturating_sub(STRANGE_MESSAGES_MAX));
        for sequence in (first..=last).rev() {
            let message = match stream.get_raw_message(sequence).await {
                Ok(message) => message,
                // Somebody has deleted it.
                Err(error) if error.to_string().contains("no message found") => continue,
                Err(error) => return Err(self.failed(error.to_string())),
            };
            if let Some(mark) = headers::mark(&message.headers) {
                return Ok(End::Ours { mark, own_sequence: sequence, sequence: last });
            }
        }
        match first {
            1 => Ok(End::Strange { sequence: last }),
            _ => Err(self.unusable(format!("none of its last messages, {first} to {last}, is an event's"))),
        }
    }

    async fn remove(&self) -> Result<(), StreamError> {
        match self.jetstream.delete_stream(&self.name).await {
            Ok(_) => Ok(()),
            Err(error) if error.to_string().contains("not found") => Ok(()),
            Err(error) => Err(self.failed(error.to_string())),
        }
    }

    fn config(&self) -> Config {
        Config {
            name: self.name.clone(),
            description: Some(format!("Events of Polder's tenant {}, in order, never expiring", self.tenant)),
            subjects: self.domains.iter().map(|domain| format!("{}.{domain}.*.*.*", self.tenant)).collect(),
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
            ..Config::default()
        }
    }

    pub(super) fn unusable(&self, problem: String) -> StreamError {
        let hint = format!("{problem}; delete it (`nats stream rm {}`), and it is made and filled anew", self.name);
        StreamError::Unusable { stream: self.name.clone(), problem: hint }
    }

    /// JetStream's own refusals carry a code; everything else is silence of some kind, and so is a cluster that has no leader just now.
    fn failed(&self, problem: String) -> StreamError {
        let is_refusal = problem.contains("error code") && !problem.contains(NO_LEADER);
        match is_refusal {
            true => StreamError::Unusable { stream: self.name.clone(), problem },
            false => StreamError::Away(problem),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn tenant(&self) -> &TenantName {
        &self.tenant
    }
}

/// The first setting that is not as it has to be.
fn difference(found: &Config, wanted: &Config) -> Option<String> {
    let differs = |setting: &str, found: &dyn std::fmt::Debug, wanted: &dyn std::fmt::Debug| {
        let (found, wanted) = (format!("{found:?}"), format!("{wanted:?}"));
        (found != wanted).then(|| format!("its setting {setting} is {found}, where {wanted} is needed"))
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
        .or_else(|| differs("no_ack", &found.no_ack, &wanted.no_ack))
        .or_else(|| differs("sealed", &found.sealed, &wanted.sealed))
        .or_else(|| differs("allow_rollup_hdrs", &found.allow_rollup, &wanted.allow_rollup))
        .or_else(|| differs("mirror", &found.mirror.is_some(), &wanted.mirror.is_some()))
        .or_else(|| differs("sources", &found.sources.is_some(), &wanted.sources.is_some()))
        .or_else(|| {
            differs("subject_transform", &found.subject_transform.is_some(), &wanted.subject_transform.is_some())
        })
}

/// Of the position before the first event.
pub(super) const BEFORE_ALL: Position = Position(0);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_other_setting_is_named() {
        let wanted = Config { max_age: Duration::ZERO, num_replicas: 3, ..Config::default() };
        assert_eq!(difference(&wanted, &wanted), None);
        let found = Config { num_replicas: 1, ..wanted.clone() };
        assert_eq!(difference(&found, &wanted).unwrap(), "its setting num_replicas is 1, where 3 is needed");
        let found = Config { max_age: Duration::from_secs(60), no_ack: true, ..wanted.clone() };
        assert!(difference(&found, &wanted).unwrap().contains("max_age is 60s"));
    }
}
