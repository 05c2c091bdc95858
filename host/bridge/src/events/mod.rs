//! A tenant's events in a JetStream stream: each once, in order, whatever ends in the middle.
//!
//! There is no cursor beside the stream that could disagree with it. Every message carries the position of its event, and messages are sent
//! in batches of which the server takes all or nothing, and only when its stream stands where it is expected to
//! (`Nats-Expected-Last-Sequence`). One batch is under way at a time. So a message that was lost takes its whole batch with it, a batch that
//! comes twice or from an earlier run is refused, and where to go on is read from the stream's end. The id of the message before is not
//! asked for: a server that was restarted does not know it at once, and then a replica could not apply what the others had.
//!
//! What an event is in other contexts stands right behind it, as messages of its own. They follow from the event and from rules that never
//! change for a position, so the stream's end says of them too where to go on.

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
    /// The newest durable position whose translations are known. Never less than before.
    fn newest(&self) -> Position;

    /// Completes once [`newest`](Self::newest) is beyond `position`; `false` when that will never be.
    fn moved_beyond(&self, position: Position) -> impl Future<Output = bool> + Send;

    /// Some events from right after a position on, perhaps beyond [`newest`](Self::newest); none only when there are none.
    fn page(&self, after: Position) -> impl Future<Output = Result<Vec<Event>, String>> + Send;

    /// What an event up to [`newest`](Self::newest) is in other contexts: always the same.
    fn translations(&self, event: &Event) -> (Vec<Translation>, Vec<LeftOut>);

    /// Tells it from every other history: the stream is its own.
    fn id(&self) -> &str;

    /// Whether any event may have translations.
    fn is_translated(&self) -> bool;
}
