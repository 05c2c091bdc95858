//! Reads frames from the stream: one, those that a copy does not have, and those that come.

use std::io;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::consumer::push::{Ordered, OrderedConfig};
use async_nats::jetstream::object_store::ObjectStore;
use async_nats::jetstream::stream::RawMessageErrorKind;
use bytes::Bytes;
use futures::StreamExt as _;
use polder_journal::{FollowError, Followed, Follower};

use super::error::JournalError;
use super::frame_log::OBJECT_HEADER;
use super::link::{JournalLink, QUESTION_WAIT_MAX, RETRY_PAUSE};
use super::objects;
use super::sound::{self, Extent, LostFrame};

impl JournalLink {
    /// Brings a copy up to all that the stream has. What does not continue the copy is refused. Blocks.
    ///
    /// # Errors
    /// [`JournalError::Lost`] names the frame that the stream lost or changed.
    pub fn catch_up(&self, follower: &mut Follower) -> Result<(), JournalError> {
        let copied = follower.end().number;
        let extent = self.block_on(self.extent())?;
        sound::check(&extent, copied).map_err(|lost| self.lost(lost))?;
        if copied > 0 {
            let there = self.block_on(self.frame(copied))?.ok_or_else(|| self.lost(missing(copied)))?;
            follower.check_end(&there).map_err(|what| self.lost(LostFrame { frame: copied, what }))?;
        }
        if extent.last == copied {
            return Ok(());
        }
        let mut frames = self.block_on(self.frames_after(copied))?;
        while follower.end().number < extent.last {
            let frame = self.block_on(frames.next(QUESTION_WAIT_MAX))?;
            let frame = frame.ok_or_else(|| JournalError::unavailable("give all frames", "no more came"))?;
            self.apply(follower, &frame)?;
        }
        Ok(())
    }

    /// Hands the copy each frame as it comes, and `told` what it brought, until `told` says that it is enough; it is also asked when nothing
    /// came for `patience`. Blocks.
    ///
    /// # Errors
    /// As for [`catch_up`](Self::catch_up).
    pub fn follow(
        &self,
        follower: &mut Follower,
        patience: Duration,
        mut told: impl FnMut(Option<&Followed>) -> bool,
    ) -> Result<(), JournalError> {
        let mut frames = None;
        loop {
            let came = self.block_on(async {
                let frames = match &mut frames {
                    Some(frames) => frames,
                    None => frames.insert(self.frames_after(follower.end().number).await?),
                };
                frames.next(patience).await
            });
            let came = came.and_then(|frame| frame.map(|frame| self.apply(follower, &frame)).transpose());
            let goes_on = match came {
                Ok(came) => told(came.as_ref()),
                // The servers choose a leader, or are away.
                Err(JournalError::Unavailable { problem, .. }) => {
                    tracing::debug!(problem, "the journal's stream is asked again");
                    frames = None;
                    std::thread::sleep(RETRY_PAUSE);
                    told(None)
                }
                Err(other) => return Err(other),
            };
            if !goes_on {
                return Ok(());
            }
        }
    }

    /// `None`: the stream has no such frame.
    pub(super) async fn frame(&self, number: u64) -> Result<Option<Bytes>, JournalError> {
        self.ask("give a frame", || async {
            match self.inner.frames.get_raw_message(number).await {
                Ok(message) => whole(&self.inner.objects, &message.headers, message.payload).await.map(Some),
                Err(error) => match error.kind() {
                    RawMessageErrorKind::NoMessageFound => Ok(None),
                    RawMessageErrorKind::JetStream(api) if api.error_code() == ErrorCode::NO_MESSAGE_FOUND => Ok(None),
                    _ => Err(io::Error::other(error)),
                },
            }
        })
        .await
    }

    pub(super) async fn extent(&self) -> Result<Extent, JournalError> {
        let asked = self.ask("tell how far the journal reaches", || async {
            self.inner.frames.info_builder().with_deleted(true).fetch().await
        });
        let state = asked.await?.info.state;
        Ok(Extent {
            first: state.first_sequence,
            last: state.last_sequence,
            messages: state.messages,
            deleted: state.deleted.unwrap_or_default(),
        })
    }

    pub(super) async fn frames_after(&self, number: u64) -> Result<Frames, JournalError> {
        let config = || OrderedConfig {
            deliver_subject: self.inner.connection.client().new_inbox(),
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: number + 1 },
            ..OrderedConfig::default()
        };
        let asked = self.ask("give the journal's frames", || async {
            let consumer = self.inner.frames.create_consumer(config()).await.map_err(|error| error.to_string())?;
            consumer.messages().await.map_err(|error| error.to_string())
        });
        Ok(Frames { messages: asked.await?, objects: self.inner.objects.clone() })
    }

    pub(super) fn lost(&self, lost: LostFrame) -> JournalError {
        JournalError::Lost { stream: self.inner.names.frames.clone(), frame: lost.frame, what: lost.what }
    }

    fn apply(&self, follower: &mut Follower, frame: &[u8]) -> Result<Followed, JournalError> {
        follower.apply(frame).map_err(|error| match error {
            FollowError::Refused { number, what } => self.lost(LostFrame { frame: number, what }),
            FollowError::Keys { source, .. } => JournalError::unavailable("give a tenant's key", source),
            other => other.into(),
        })
    }
}

fn missing(frame: u64) -> LostFrame {
    LostFrame { frame, what: "it is not there".to_owned() }
}

/// The frame that a message holds or names. One that is not there any more is empty, and so no frame.
async fn whole(objects: &ObjectStore, headers: &HeaderMap, payload: Bytes) -> io::Result<Bytes> {
    match headers.get(OBJECT_HEADER) {
        None => Ok(payload),
        Some(name) => Ok(objects::find(objects, name.as_str()).await?.unwrap_or_default().into()),
    }
}

/// The journal's frames as they come, in order.
pub(super) struct Frames {
    messages: Ordered,
    objects: ObjectStore,
}

impl Frames {
    /// `None`: nothing came in time.
    pub(super) async fn next(&mut self, patience: Duration) -> Result<Option<Bytes>, JournalError> {
        match tokio::time::timeout(patience, self.messages.next()).await {
            Err(_) => Ok(None),
            Ok(Some(Ok(message))) => {
                let headers = message.headers.clone().unwrap_or_default();
                let frame = whole(&self.objects, &headers, message.payload.clone()).await;
                frame.map(Some).map_err(|error| JournalError::unavailable("give a large frame", error))
            }
            Ok(Some(Err(error))) => Err(JournalError::unavailable("give the journal's frames", error)),
            Ok(None) => Err(JournalError::unavailable("give the journal's frames", "it ended")),
        }
    }
}
