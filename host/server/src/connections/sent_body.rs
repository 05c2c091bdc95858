//! The body of a request as it arrives. It ends with an error if it is slower than a bound. Every request is wrapped in
//! it, so that no route can omit the bound.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::connection_state::ConnectionState;
use super::deadline::Deadline;

/// The time that a body may take, plus the time for its bytes at [`BODY_BYTES_PER_SECOND_MIN`].
pub(crate) const BODY_WAIT_MAX: Duration = Duration::from_secs(10);
/// The least rate at which large bodies must arrive.
const BODY_BYTES_PER_SECOND_MIN: u64 = 64 * 1024;

pub(crate) struct SentBody {
    incoming: Incoming,
    state: Arc<ConnectionState>,
    /// The moment from which on the host waits for the client. `None`: it does not.
    waiting_since: Option<Instant>,
    /// The time of earlier waits. Only waiting for the client counts, not the time in which the host processes the
    /// body.
    waited: Duration,
    bytes: u64,
    deadline: Deadline,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum SentBodyError {
    #[error(transparent)]
    BrokenOff(#[from] hyper::Error),
    #[error(
        "{bytes} bytes came in {} s: a body may take {} s, and {BODY_BYTES_PER_SECOND_MIN} bytes a second beyond that",
        waited.as_secs(), BODY_WAIT_MAX.as_secs()
    )]
    TooSlow { bytes: u64, waited: Duration },
}

impl SentBody {
    pub(crate) fn new(incoming: Incoming, state: Arc<ConnectionState>) -> Self {
        Self { incoming, state, waiting_since: None, waited: Duration::ZERO, bytes: 0, deadline: Deadline::default() }
    }

    fn poll_too_slow(&mut self, context: &mut Context<'_>) -> Poll<SentBodyError> {
        self.state.waits();
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        let allowed =
            BODY_WAIT_MAX + Duration::from_millis(self.bytes.saturating_mul(1_000) / BODY_BYTES_PER_SECOND_MIN);
        self.deadline.set(since + allowed.saturating_sub(self.waited));
        let (bytes, before) = (self.bytes, self.waited);
        self.deadline.poll_passed(context).map(|()| SentBodyError::TooSlow { bytes, waited: before + since.elapsed() })
    }
}

impl Body for SentBody {
    type Data = Bytes;
    type Error = SentBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, SentBodyError>>> {
        match Pin::new(&mut self.incoming).poll_frame(context) {
            Poll::Pending => self.poll_too_slow(context).map(|error| Some(Err(error))),
            Poll::Ready(frame) => {
                // The client has sent, so the host does not wait for it now.
                self.state.goes_on();
                if let Some(since) = self.waiting_since.take() {
                    self.waited += since.elapsed();
                }
                let frame = frame.map(|frame| frame.map_err(SentBodyError::BrokenOff));
                if let Some(Ok(frame)) = &frame {
                    self.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
