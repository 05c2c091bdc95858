//! Appends frames to the stream. A frame without an acknowledgement is sent again, and the message in its place in the
//! stream shows what happened. So no frame is stored twice, and no stored frame counts as lost.

use std::io;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use bytes::Bytes;
use polder_journal::{FrameLog, LogError};

use super::link::{JournalLink, StreamPosition};
use super::message::{self, Message};
use super::objects;
use super::retry::RETRY_PAUSE;

/// Time for which a frame is tried. Servers elect a new leader in a few seconds, and a restarted server needs some
/// more. Clients get an answer long before.
const APPEND_WAIT_MAX: Duration = Duration::from_secs(20);
/// Bytes of a message that are reserved for its headers and the protocol.
const ENVELOPE_BYTES: usize = 1024;

pub struct StreamLog(JournalLink);

impl StreamLog {
    pub fn new(link: &JournalLink) -> Self {
        Self(link.clone())
    }

    /// Appends a frame. A frame that is too large for a message is stored as an object, which the message names.
    async fn put(&self, number: u64, frame: &Bytes) -> Result<(), LogError> {
        let marks = self.0.own_marks();
        if frame.len() + ENVELOPE_BYTES <= self.0.connection().payload_bytes_max() {
            return self.put_message(number, frame, &message::headers(marks, number, frame, None), frame).await;
        }
        let (bucket, name) = (&self.0.inner.objects, format!("frame-{number}-{}", uuid::Uuid::new_v4().simple()));
        let kept = objects::keep(bucket, &name, frame).await;
        kept.map_err(|error| unavailable(number, error.to_string()))?;
        let headers = message::headers(marks, number, frame, Some(&name));
        let put = self.put_message(number, &Bytes::new(), &headers, frame).await;
        if matches!(put, Err(LogError::Overtaken { .. }))
            && let Err(error) = objects::remove(bucket, &name).await
        {
            tracing::warn!(name, %error, "another host appended a frame first, and the object of this host's frame is left behind");
        }
        put
    }

    async fn put_message(
        &self,
        number: u64,
        payload: &Bytes,
        headers: &HeaderMap,
        frame: &Bytes,
    ) -> Result<(), LogError> {
        let start = Instant::now();
        loop {
            let expected = self.0.position().sequence;
            let problem = match self.publish(expected, payload, headers).await {
                Ok(sequence) if sequence == expected + 1 => {
                    self.0.set_position(StreamPosition { number, sequence });
                    return Ok(());
                }
                // Only a stream that lost its past does this.
                Ok(sequence) => {
                    return Err(unavailable(
                        number,
                        format!("it became message {sequence}: the stream has lost frames"),
                    ));
                }
                Err(Refused::TooLate) => match self.check_place(number, frame).await? {
                    true => return Ok(()),
                    false => "the stream ends elsewhere".to_owned(),
                },
                Err(Refused::Unknown(problem)) => problem,
            };
            if start.elapsed() > APPEND_WAIT_MAX {
                return Err(unavailable(number, problem));
            }
            tracing::debug!(number, problem, "a frame is sent again");
            if self.0.position().sequence == expected {
                tokio::time::sleep(RETRY_PAUSE).await;
            }
        }
    }

    /// Checks which message took the place of a frame. Returns true if it is the frame itself: then an earlier attempt
    /// succeeded. Returns false if the place is free or holds a message of another client; the frame can be put after
    /// it.
    async fn check_place(&self, number: u64, frame: &Bytes) -> Result<bool, LogError> {
        loop {
            let sequence = self.0.position().sequence + 1;
            match self.0.message(sequence).await {
                Err(_) | Ok(None) => return Ok(false),
                Ok(Some(Message::Frame { number: found, content })) if found >= number => {
                    if found > number || content.digest() != blake3::hash(frame) {
                        return Err(LogError::Overtaken { number });
                    }
                    self.0.set_position(StreamPosition { number, sequence });
                    return Ok(true);
                }
                Ok(Some(_)) => {
                    self.0.log_foreign(sequence);
                    self.0.set_position(StreamPosition { number: number - 1, sequence });
                }
            }
        }
    }

    /// Publishes the message and returns its sequence.
    async fn publish(&self, expected: u64, payload: &Bytes, headers: &HeaderMap) -> Result<u64, Refused> {
        let inner = &self.0.inner;
        let message = PublishMessage::build()
            .headers(headers.clone())
            .payload(payload.clone())
            .expected_last_sequence(expected)
            .expected_stream(&inner.names.frames);
        let sent = inner.context.send_publish(inner.names.frames_subject.clone(), message).await;
        let acknowledged = match sent {
            Ok(acknowledgement) => acknowledgement.await,
            Err(error) => Err(error),
        };
        acknowledged.map(|acknowledgement| acknowledgement.sequence).map_err(|error| match error.kind() {
            PublishErrorKind::WrongLastSequence => Refused::TooLate,
            _ => Refused::Unknown(error.to_string()),
        })
    }
}

enum Refused {
    /// Another message has taken the place.
    TooLate,
    /// The message may be in the stream or not.
    Unknown(String),
}

fn unavailable(number: u64, problem: String) -> LogError {
    LogError::Unavailable { number, source: io::Error::other(problem) }
}

impl FrameLog for StreamLog {
    fn append(&mut self, number: u64, frame: &[u8]) -> Result<(), LogError> {
        let frame = Bytes::copy_from_slice(frame);
        let waiting = || self.0.inner.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        *waiting() = Some(Instant::now());
        let put = self.0.block_on(self.put(number, &frame));
        *waiting() = None;
        put
    }
}
