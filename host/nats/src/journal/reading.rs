//! Reads frames from the stream: a single one, all that a copy lacks, and new ones as they arrive.

use std::io;
use std::time::Duration;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::consumer::push::{Ordered, OrderedConfig};
use async_nats::jetstream::stream::RawMessageErrorKind;
use bytes::Bytes;
use futures::StreamExt as _;
use polder_journal::{FollowError, Followed, Follower};

use super::error::JournalError;
use super::link::{JournalLink, StreamPosition};
use super::message::{self, Content, Message};
use super::objects;
use super::retry::{QUESTION_WAIT_MAX, RETRY_PAUSE};
use super::sound::{self, Extent, LostFrame};

impl JournalLink {
    /// Brings a copy up to date with the stream. Refuses frames that do not continue the copy. Blocks.
    ///
    /// # Errors
    /// [`JournalError::Lost`] names the frame that the stream lost or changed.
    pub fn catch_up(&self, follower: &mut Follower) -> Result<(), JournalError> {
        let number = follower.end().number;
        let extent = self.block_on(self.extent())?;
        sound::check(&extent, number).map_err(|lost| self.lost(lost))?;
        let mut sequence = 0;
        if number > 0 {
            let (at, there) = self.block_on(self.find_frame(number))?.ok_or_else(|| self.lost(missing(number)))?;
            follower.check_end(&there).map_err(|what| self.lost(LostFrame { frame: number, what }))?;
            sequence = at;
        }
        self.set_position(StreamPosition { number, sequence });
        if extent.last == sequence {
            return Ok(());
        }
        let mut frames = self.block_on(self.messages_after(sequence))?;
        while self.position().sequence < extent.last {
            let came = self.block_on(frames.next(QUESTION_WAIT_MAX))?;
            let came = came.ok_or_else(|| JournalError::unavailable("give all frames", "no more came"))?;
            self.take(follower, came)?;
        }
        Ok(())
    }

    /// Applies each new frame to the copy, and passes the result to `observe`, until `observe` returns false. It is
    /// also called with `None` when nothing arrived for `patience`. Blocks.
    ///
    /// # Errors
    /// Like [`catch_up`](Self::catch_up).
    pub fn follow(
        &self,
        follower: &mut Follower,
        patience: Duration,
        mut observe: impl FnMut(Option<&Followed>) -> bool,
    ) -> Result<(), JournalError> {
        let mut frames = None;
        loop {
            let came = self.block_on(async {
                let frames = match &mut frames {
                    Some(frames) => frames,
                    None => frames.insert(self.try_messages_after(self.position().sequence).await?),
                };
                frames.next(patience).await
            });
            let came = came.and_then(|came| came.map(|came| self.take(follower, came)).transpose());
            let goes_on = match came {
                // A message that is no frame is not reported.
                Ok(Some(None)) => continue,
                Ok(came) => observe(came.flatten().as_ref()),
                // The servers elect a leader, or are away.
                Err(JournalError::Unavailable { problem, .. }) => {
                    tracing::debug!(problem, "the journal's stream is read again");
                    frames = None;
                    std::thread::sleep(RETRY_PAUSE);
                    observe(None)
                }
                Err(other) => return Err(other),
            };
            if !goes_on {
                return Ok(());
            }
        }
    }

    /// Finds a frame, and the sequence of its message. Returns `None` if the stream has no such frame.
    async fn find_frame(&self, number: u64) -> Result<Option<(u64, Bytes)>, JournalError> {
        let position = self.position();
        // The sequence of the frame if no other client has written since.
        let likely =
            if (1..=number).contains(&position.number) { position.sequence + number - position.number } else { number };
        for from in [likely, number] {
            let mut sequence = from;
            while let Some(message) = self.message(sequence).await? {
                match message {
                    Message::Frame { number: found, content } if found == number => {
                        return Ok(Some((sequence, self.whole(number, content).await?)));
                    }
                    // The frame cannot be before this message. The exception is an old frame that another client wrote
                    // again; then the second round finds it.
                    Message::Frame { number: found, .. } if found < number && from == likely => {
                        sequence += number - found
                    }
                    Message::Frame { number: found, .. } if found > number => break,
                    _ => sequence += 1,
                }
            }
        }
        Ok(None)
    }

    /// The message with this sequence, or `None` if the stream has none.
    pub(super) async fn message(&self, sequence: u64) -> Result<Option<Message>, JournalError> {
        self.ask("give a frame", || async {
            match self.inner.frames.get_raw_message(sequence).await {
                Ok(found) => Ok(Some(message::read(self.marks(), &found.headers, found.payload))),
                Err(error) => match error.kind() {
                    RawMessageErrorKind::NoMessageFound => Ok(None),
                    RawMessageErrorKind::JetStream(api) if api.error_code() == ErrorCode::NO_MESSAGE_FOUND => Ok(None),
                    _ => Err(io::Error::other(error)),
                },
            }
        })
        .await
    }

    /// The frame itself, from the message or from its object.
    pub(super) async fn whole(&self, number: u64, content: Content) -> Result<Bytes, JournalError> {
        let (name, digest) = match content {
            Content::Here(frame) => return Ok(frame),
            Content::Object { name, digest } => (name, digest),
        };
        let found = self.ask("give a large frame", || objects::find(&self.inner.objects, &name)).await?;
        let changed = |what: &str| self.lost(LostFrame { frame: number, what: format!("object {name} {what}") });
        let frame = found.ok_or_else(|| changed("is not there"))?;
        if blake3::hash(&frame) != digest {
            return Err(changed("was changed"));
        }
        Ok(frame.into())
    }

    pub(super) async fn extent(&self) -> Result<Extent, JournalError> {
        let info = self.ask("report how far the journal reaches", || async {
            self.inner.frames.info_builder().with_deleted(true).fetch().await
        });
        let state = info.await?.info.state;
        Ok(Extent {
            first: state.first_sequence,
            last: state.last_sequence,
            messages: state.messages,
            deleted: state.deleted.unwrap_or_default(),
        })
    }

    /// The messages of the stream after this sequence, as they arrive.
    pub(super) async fn messages_after(&self, sequence: u64) -> Result<Messages, JournalError> {
        self.ask("give the journal's frames", || self.try_messages_after(sequence)).await
    }

    /// Like `messages_after`, but fails at once if the servers do not answer.
    async fn try_messages_after(&self, sequence: u64) -> Result<Messages, JournalError> {
        let unavailable = |problem: String| JournalError::unavailable("give the journal's frames", problem);
        let config = OrderedConfig {
            deliver_subject: self.inner.connection.client().new_inbox(),
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: sequence + 1 },
            ..OrderedConfig::default()
        };
        let consumer =
            self.inner.frames.create_consumer(config).await.map_err(|error| unavailable(error.to_string()))?;
        let messages = consumer.messages().await.map_err(|error| unavailable(error.to_string()))?;
        Ok(Messages { link: self.clone(), messages })
    }

    pub(super) fn lost(&self, lost: LostFrame) -> JournalError {
        JournalError::Lost { stream: self.inner.names.frames.clone(), frame: lost.frame, what: lost.what }
    }

    /// Applies the next message. Returns `None` if it is no frame, or if the copy already has it.
    fn take(&self, follower: &mut Follower, came: Arrived) -> Result<Option<Followed>, JournalError> {
        let Arrived { sequence, message } = came;
        let last = follower.end().number;
        let followed = match message {
            Message::Frame { number, content } if number == last + 1 => {
                let frame = self.block_on(self.whole(number, content))?;
                Some(self.apply(follower, &frame)?)
            }
            Message::Frame { number, .. } if number > last + 1 => return Err(self.lost(other(last + 1, number))),
            Message::Frame { .. } | Message::Foreign => {
                self.log_foreign(sequence);
                None
            }
        };
        self.set_position(StreamPosition { number: follower.end().number, sequence });
        Ok(followed)
    }

    fn apply(&self, follower: &mut Follower, frame: &[u8]) -> Result<Followed, JournalError> {
        follower.apply(frame).map_err(|error| match error {
            FollowError::Refused { number, what } => self.lost(LostFrame { frame: number, what }),
            FollowError::Keys { source, .. } => JournalError::unavailable("give a tenant's key", source),
            // This machine's disk is full, or the process has no file descriptor left. Both are temporary.
            error @ FollowError::NoRoom { .. } => JournalError::unavailable("have a frame copied here", error),
            other => other.into(),
        })
    }
}

fn missing(frame: u64) -> LostFrame {
    LostFrame { frame, what: "it is not there as it was written".to_owned() }
}

pub(super) fn other(frame: u64, found: u64) -> LostFrame {
    LostFrame { frame, what: format!("frame {found} was found there") }
}

/// A message, and its sequence in the stream.
pub(super) struct Arrived {
    pub(super) sequence: u64,
    pub(super) message: Message,
}

/// The stream's messages as they arrive, in order.
pub(super) struct Messages {
    link: JournalLink,
    messages: Ordered,
}

impl Messages {
    /// Returns `None` if no message arrived in time.
    pub(super) async fn next(&mut self, patience: Duration) -> Result<Option<Arrived>, JournalError> {
        let unavailable = |problem: String| JournalError::unavailable("give the journal's frames", problem);
        match tokio::time::timeout(patience, self.messages.next()).await {
            Err(_) => Ok(None),
            Ok(Some(Ok(found))) => {
                let sequence = found.info().map_err(|error| unavailable(error.to_string()))?.stream_sequence;
                let headers = found.headers.clone().unwrap_or_default();
                let message = message::read(self.link.marks(), &headers, found.payload.clone());
                Ok(Some(Arrived { sequence, message }))
            }
            Ok(Some(Err(error))) => Err(unavailable(error.to_string())),
            Ok(None) => Err(unavailable("it ended".to_owned())),
        }
    }
}
