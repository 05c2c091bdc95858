//! The tenants' keys in a stream of their own, so that every host has them and none keeps them on its disk. Erasing one deletes its message,
//! whose bytes the servers overwrite.

use std::io;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{LastRawMessageErrorKind, Stream};
use bytes::Bytes;
use futures::TryStreamExt as _;
use polder_core::TenantName;
use polder_journal::{KeyStore, Secret};

use super::error::JournalError;
use super::link::JournalLink;

pub(super) struct KeyStream {
    link: JournalLink,
    stream: Stream,
}

impl KeyStream {
    pub(super) fn new(link: JournalLink, stream: Stream) -> Self {
        Self { link, stream }
    }

    fn subject(&self, tenant: &str) -> String {
        format!("{}{tenant}", self.link.inner.names.keys_prefix)
    }

    /// With the sequence of its message.
    async fn get(&self, subject: &str) -> Result<Option<(u64, Bytes)>, JournalError> {
        self.link
            .ask("give a tenant's key", || async {
                match self.stream.get_last_raw_message_by_subject(subject).await {
                    Ok(message) => Ok(Some((message.sequence, message.payload))),
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

    /// Only if there is none. False: there may be one by now.
    async fn put(&self, subject: &str, secret: &Secret) -> Result<(), JournalError> {
        let context = &self.link.inner.context;
        self.link
            .ask("keep a tenant's key", || async {
                let message =
                    PublishMessage::build().payload(Bytes::copy_from_slice(secret)).expected_last_subject_sequence(0);
                let sent = context.send_publish(subject.to_owned(), message).await;
                match async { sent?.await }.await {
                    Err(error) if error.kind() != PublishErrorKind::WrongLastSequence => Err(error),
                    _ => Ok(()),
                }
            })
            .await
    }

    async fn find(&self, subject: &str) -> Result<Option<Secret>, io::Error> {
        let Some((_, bytes)) = self.get(subject).await.map_err(io::Error::other)? else { return Ok(None) };
        let found = bytes.len();
        let secret = Secret::try_from(bytes.as_ref()).map_err(|_| {
            let wanted = size_of::<Secret>();
            io::Error::other(format!("{subject} has {found} bytes; a key has {wanted}: restore it from a copy"))
        })?;
        Ok(Some(secret))
    }
}

impl KeyStore for KeyStream {
    fn all(&self) -> io::Result<Vec<(TenantName, Secret)>> {
        let prefix = &self.link.inner.names.keys_prefix;
        self.link.block_on(async {
            let every = format!("{prefix}*");
            let asked = self.link.ask("list the tenants' keys", || async {
                self.stream.info_builder().subjects(every.clone()).fetch().await
            });
            let subjects: Vec<_> =
                asked.await.map_err(io::Error::other)?.try_collect().await.map_err(io::Error::other)?;
            let mut all = Vec::new();
            for (subject, _) in subjects {
                let tenant = subject.strip_prefix(prefix).and_then(|tenant| TenantName::new(tenant).ok());
                // Erased since then, when there is none.
                if let (Some(tenant), Some(secret)) = (tenant, self.find(&subject).await?) {
                    all.push((tenant, secret));
                }
            }
            Ok(all)
        })
    }

    fn find(&self, tenant: &TenantName) -> io::Result<Option<Secret>> {
        self.link.block_on(self.find(&self.subject(tenant.as_str())))
    }

    fn keep(&self, tenant: &TenantName, secret: &Secret) -> io::Result<Secret> {
        let subject = self.subject(tenant.as_str());
        self.link.block_on(async {
            self.put(&subject, secret).await.map_err(io::Error::other)?;
            let kept = self.find(&subject).await?;
            kept.ok_or_else(|| io::Error::other(format!("{subject} was erased as soon as it was kept")))
        })
    }

    fn erase(&self, tenant: &TenantName) -> io::Result<()> {
        let subject = self.subject(tenant.as_str());
        self.link.block_on(async {
            while let Some((sequence, _)) = self.get(&subject).await.map_err(io::Error::other)? {
                // Unless asked not to, the servers overwrite what they delete.
                let erased = self.link.ask("erase a tenant's key", || self.stream.delete_message(sequence));
                if let Err(error) = erased.await {
                    // Another host may have been faster.
                    let left = self.get(&subject).await.map_err(io::Error::other)?;
                    left.map_or(Ok(()), |_| Err(io::Error::other(error.to_string())))?;
                }
            }
            Ok(())
        })
    }
}
