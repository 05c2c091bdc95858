//! Publishes a tenant's events to a JetStream stream: each event once, in order, whichever process ends in the middle.
//!
//! There is no cursor beside the stream that could disagree with it:
//!
//! 1. Every message carries the position of its event.
//! 2. Messages are sent in batches. The server takes all of a batch or nothing, and only if its stream ends where the
//!    sender expects (`Nats-Expected-Last-Sequence`). One batch is in flight at a time.
//! 3. So a lost message takes its whole batch with it, and a batch that arrives twice, or from an earlier run, is
//!    refused. The end of the stream determines where to continue.
//!
//! The id of the message before is not checked: a restarted server does not know it at once, and then a replica could
//! not apply what the others had.
//!
//! The translations of an event follow right behind it, as messages of their own. They depend only on the event and on
//! rules that never change for a position, so the end of the stream also determines which of them to send next.

mod answer;
mod headers;
mod messages;
mod progress;
mod publication;
mod publisher;
mod stream;
mod trouble;

pub use progress::Progress;
pub use publisher::Publisher;
pub use stream::{EventStreams, StreamError};

use polder_core::translation::{LeftOut, Translation};
use polder_core::{Event, Position};

/// A tenant's history, as far as publishing needs it.
pub trait History: Clone + Send + Sync + 'static {
    /// The newest durable position whose translations are known. It never decreases.
    fn newest(&self) -> Position;

    /// Completes once [`newest`](Self::newest) is beyond `position`. Returns `false` if that will never happen.
    fn moved_beyond(&self, position: Position) -> impl Future<Output = bool> + Send;

    /// Some events right after a position, perhaps beyond [`newest`](Self::newest). Empty only if there are none.
    fn page(&self, after: Position) -> impl Future<Output = Result<Vec<Event>, String>> + Send;

    /// The translations of an event up to [`newest`](Self::newest). The result is always the same.
    fn translations(&self, event: &Event) -> (Vec<Translation>, Vec<LeftOut>);

    /// Id that no other history has. The stream belongs to it.
    fn id(&self) -> &str;

    /// Whether any event may have translations.
    fn is_translated(&self) -> bool;
}
