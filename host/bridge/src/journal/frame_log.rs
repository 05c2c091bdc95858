//! Appends frames to the stream. A frame whose acknowledgement does not come is sent again, and what the stream has in its place says
//! what became of it: no frame is there twice, and none is taken for lost that is there.

use std::io;
use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use bytes::Bytes;
use polder_journal::{FrameLog, LogError};

use super::link::{JournalLink, RETRY_PAUSE};
use super::objects;

/// A frame is tried for this long. Servers choose a new leader in a few seconds; one that was restarted needs some more.
const APPEND_WAIT_MAX: Duration = Duration::from_secs(45);
/// Names the object that holds a frame.
pub(super) const OBJECT_HEADER: &str = "Polder-Object";
/// Of a message, for its headers and what is around them, in bytes.
const ENVELOPE_BYTES: usize = 1024;

pub struct StreamLog(JournalLink);

impl StreamLog {
    pub fn new(link: &JournalLink) -> Self {
        Self(link.clone())
    }

    /// A frame of one large record may not fit into a message: then it is an object, and the message names it.
    async fn put(&self, number: u64, frame: &Bytes) -> Result<(), LogError> {
        if frame.len() + ENVELOPE_BYTES <= self.0.connection().payload_bytes_max() {
            return self.put_message(number, frame, &HeaderMap::new(), frame).await;
        }
        let (bucket, name) = (&self.0.inner.objects, format!("frame-{number}-{}", uuid::Uuid::now_v7().simple()));
        let kept = objects::keep(bucket, &name, frame).await;
        kept.map_err(|error| unavailable(number, error.to_string()))?;
        let mut headers = HeaderMap::new();
        headers.insert(OBJECT_HEADER, name.as_str());
        let put = self.put_message(number, &Bytes::new(), &headers, frame).await;
        if matches!(put, Err(LogError::Overtaken { .. }))
            && let Err(error) = objects::remove(bucket, &name).await
        {
            tracing::warn!(name, %error, "a frame that came too late is left behind as an object");
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
            let problem = match self.publish(number, payload, headers).await {
                Ok(sequence) if sequence == number => return Ok(()),
                // Only a stream without its past would do that.
                Ok(sequence) => {
                    return Err(unavailable(
                        number,
                        format!("it became message {sequence}: the stream has lost frames"),
                    ));
                }
                Err(Refused::TooLate) => match self.0.frame(number).await {
                    Ok(Some(there)) if there == *frame => return Ok(()),
                    Ok(Some(_)) => return Err(LogError::Overtaken { number }),
                    Ok(None) => format!("the stream does not end with frame {}", number - 1),
                    Err(error) => error.to_string(),
                },
                Err(Refused::Unknown(problem)) => problem,
            };
            if start.elapsed() > APPEND_WAIT_MAX {
                return Err(unavailable(number, problem));
            }
            tracing::debug!(number, problem, "a frame is sent again");
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    async fn publish(&self, number: u64, payload: &Bytes, headers: &HeaderMap) -> Result<u64, Refused> {
        let inner = &self.0.inner;
        let message = PublishMessage::build()
            .headers(headers.clone())
            .payload(payload.clone())
            .expected_last_sequence(number - 1)
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
    /// The stream has a message in its place.
    TooLate,
    /// It may be there or not.
    Unknown(String),
}

fn unavailable(number: u64, problem: String) -> LogError {
    LogError::Unavailable { number, source: io::Error::other(problem) }
}

impl FrameLog for StreamLog {
    fn append(&mut self, number: u64, frame: &[u8]) -> Result<(), LogError> {
        let frame = Bytes::copy_from_slice(frame);
        self.0.block_on(self.put(number, &frame))
    }
}
