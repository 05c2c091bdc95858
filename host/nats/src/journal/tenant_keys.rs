//! Keeps the tenants' keys in a stream of their own: every host can read them, and none stores them on its disk.
//! Erasing a key deletes its message, and the servers overwrite the message's bytes.

use std::io;

use async_nats::HeaderMap;
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::{PublishMessage, StreamMessage};
use async_nats::jetstream::stream::{LastRawMessageErrorKind, RawMessageErrorKind, Stream};
use bytes::Bytes;
use futures::TryStreamExt as _;
use polder_core::TenantName;
use polder_journal::{Kept, KeyStore, Secret};

use super::error::JournalError;
use super::link::JournalLink;
use super::secret::{Marks, is_marked, mark};
use crate::throttle::Throttle;

/// Header with the mark of a key, which is made with the cluster's secret over tenant and key.
const MARK: &str = "Polder-Mark";
/// Attempts to write a key while other messages come in between.
const KEEPS_MAX: usize = 100;

pub(super) struct KeyStream {
    link: JournalLink,
    stream: Stream,
    foreign: Throttle,
}

impl KeyStream {
    pub(super) fn new(link: JournalLink, stream: Stream) -> Self {
        Self { link, stream, foreign: Throttle::default() }
    }

    fn subject(&self, tenant: &str) -> String {
        format!("{}{tenant}", self.link.inner.names.keys_prefix)
    }

    /// The sequence of the last message on the subject, from whichever writer.
    async fn last(&self, subject: &str) -> Result<Option<u64>, JournalError> {
        self.link
            .ask("give a tenant's key", || async {
                match self.stream.get_last_raw_message_by_subject(subject).await {
                    Ok(message) => Ok(Some(message.sequence)),
                    Err(error) => match error.kind() {
                        LastRawMessageErrorKind::NoMessageFound => Ok(None),
                        LastRawMessageErrorKind::JetStream(api) if api.error_code() == ErrorCode::NO_MESSAGE_FOUND => {
                            Ok(None)
                        }
                        _ => Err(error),
                    },
                }
            })
            .await
    }

    /// The first message on the subject at or after this sequence.
    async fn next(&self, subject: &str, from: u64) -> Result<Option<StreamMessage>, JournalError> {
        self.link
            .ask("give a tenant's key", || async {
                match self.stream.get_first_raw_message_by_subject(subject, from).await {
                    Ok(message) => Ok(Some(message)),
                    Err(error) => match error.kind() {
                        RawMessageErrorKind::NoMessageFound => Ok(None),
                        RawMessageErrorKind::JetStream(api) if api.error_code() == ErrorCode::NO_MESSAGE_FOUND => {
                            Ok(None)
                        }
                        _ => Err(error),
                    },
                }
            })
            .await
    }

    /// The first key that a host of the cluster has written. Keys of other writers are skipped.
    async fn find(&self, tenant: &str) -> Result<Option<Secret>, JournalError> {
        let (subject, mut from) = (self.subject(tenant), 1);
        while let Some(message) = self.next(&subject, from).await? {
            if let Some(secret) = read(self.link.marks(), tenant, &message) {
                return Ok(Some(secret));
            }
            self.log_foreign(&subject, message.sequence);
            from = message.sequence + 1;
        }
        Ok(None)
    }

    fn log_foreign(&self, subject: &str, sequence: u64) {
        if let Some(unsaid) = self.foreign.now() {
            tracing::warn!(
                subject,
                sequence,
                unsaid,
                "a tenant's key that no host of this cluster wrote is skipped; only the hosts may be allowed to publish there"
            );
        }
    }

    /// Writes the key, but only if nothing was written on its subject since `last`.
    async fn put(&self, tenant: &str, secret: &Secret, last: u64) -> Result<(), JournalError> {
        let (context, subject) = (&self.link.inner.context, self.subject(tenant));
        let mut headers = HeaderMap::new();
        headers.insert(MARK, mark(&self.link.own_marks().tenant_keys, &[tenant.as_bytes(), secret]));
        self.link
            .ask("keep a tenant's key", || async {
                let message = PublishMessage::build()
                    .headers(headers.clone())
                    .payload(Bytes::copy_from_slice(secret))
                    .expected_last_subject_sequence(last);
                let sent = context.send_publish(subject.clone(), message).await;
                match async { sent?.await }.await {
                    Err(error) if error.kind() != PublishErrorKind::WrongLastSequence => Err(error),
                    _ => Ok(()),
                }
            })
            .await
    }
}

/// Returns `None` if no host of the cluster wrote the message.
fn read(marks: Option<&Marks>, tenant: &str, message: &StreamMessage) -> Option<Secret> {
    let secret = Secret::try_from(message.payload.as_ref()).ok()?;
    let given = message.headers.get(MARK)?.as_str();
    let is_ours = |marks: &Marks| is_marked(&marks.tenant_keys, &[tenant.as_bytes(), &secret], given);
    marks.is_none_or(is_ours).then_some(secret)
}

impl KeyStore for KeyStream {
    fn all(&self) -> io::Result<Vec<(TenantName, Kept)>> {
        let prefix = &self.link.inner.names.keys_prefix;
        self.link.block_on(async {
            let every = format!("{prefix}*");
            let request = self.link.ask("list the tenants' keys", || async {
                self.stream.info_builder().subjects(every.clone()).fetch().await
            });
            let subjects: Vec<_> =
                request.await.map_err(io::Error::other)?.try_collect().await.map_err(io::Error::other)?;
            let mut all = Vec::new();
            for (subject, _) in subjects {
                let tenant = subject.strip_prefix(prefix).and_then(|tenant| TenantName::new(tenant).ok());
                let Some(tenant) = tenant else { continue };
                // The key may have been erased since the list was made.
                if let Some(secret) = self.find(tenant.as_str()).await.map_err(io::Error::other)? {
                    all.push((tenant, Ok(secret)));
                }
            }
            Ok(all)
        })
    }

    /// Skips messages that no host of the cluster wrote, and messages that hold no secret.
    fn find(&self, tenant: &TenantName) -> io::Result<Option<Kept>> {
        let found = self.link.block_on(self.find(tenant.as_str())).map_err(io::Error::other)?;
        Ok(found.map(Ok))
    }

    fn keep(&self, tenant: &TenantName, secret: &Secret) -> io::Result<Secret> {
        let name = tenant.as_str();
        self.link.block_on(async {
            for _ in 0..KEEPS_MAX {
                // This comes before the search for the key: the server then detects any later write.
                let last = self.last(&self.subject(name)).await.map_err(io::Error::other)?.unwrap_or(0);
                if let Some(kept) = self.find(name).await.map_err(io::Error::other)? {
                    return Ok(kept);
                }
                self.put(name, secret, last).await.map_err(io::Error::other)?;
            }
            Err(io::Error::other(format!("others write to {} all the time", self.subject(name))))
        })
    }

    fn place(&self, tenant: &TenantName) -> String {
        format!("the message under {}", self.subject(tenant.as_str()))
    }

    fn erase(&self, tenant: &TenantName) -> io::Result<()> {
        let subject = self.subject(tenant.as_str());
        self.link.block_on(async {
            while let Some(sequence) = self.last(&subject).await.map_err(io::Error::other)? {
                // The servers overwrite a deleted message unless the request forbids it.
                let erased = self.link.ask("erase a tenant's key", || self.stream.delete_message(sequence));
                if let Err(error) = erased.await {
                    // Another host may have erased it first.
                    let left = self.last(&subject).await.map_err(io::Error::other)?;
                    left.map_or(Ok(()), |_| Err(io::Error::other(error.to_string())))?;
                }
            }
            Ok(())
        })
    }
}
