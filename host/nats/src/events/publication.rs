//! Decides what to publish next, from what the stream is known to hold. Pure: knows neither NATS nor the journal.

use polder_core::Position;

/// An event, and the last of its messages in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Published {
    pub(super) position: Position,
    /// The stream's own count. It runs ahead of positions if events are translated, or if another client has published
    /// to the stream's subjects.
    pub(super) sequence: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing is known, or not any more: read the end of the stream.
    FindEnd,
    /// Send a batch of the events right after this event.
    Publish { after: Published },
    /// A batch is in flight. The next one is sent once this one is confirmed. A sequence alone does not identify the
    /// message that took it: another client's message can take an event's place.
    AwaitConfirmation,
    /// The stream holds all events.
    Rest,
}

/// Where to continue in a stream that ends with message `number` of the `count` messages of the event at `position`.
/// Returns the last event of which all messages are there, and the number of messages that are there of the next event.
pub(super) fn complete_up_to(position: Position, number: usize, count: usize) -> (Position, usize) {
    match number + 1 < count {
        true => (Position(position.0.saturating_sub(1)), number + 1),
        false => (position, 0),
    }
}

#[derive(Debug, Default)]
pub(super) struct Publication {
    known: Option<Known>,
    /// Distinguishes the confirmation of the last batch from those of abandoned batches.
    epoch: u64,
}

#[derive(Debug)]
struct Known {
    confirmed: Published,
    /// The last event of the batch in flight.
    under_way: Option<Published>,
}

impl Publication {
    pub(super) fn step(&self, newest: Position) -> Step {
        match &self.known {
            None => Step::FindEnd,
            Some(Known { under_way: Some(_), .. }) => Step::AwaitConfirmation,
            Some(Known { confirmed, .. }) if confirmed.position < newest => Step::Publish { after: *confirmed },
            Some(_) => Step::Rest,
        }
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Position up to which the stream is known to hold all events.
    pub(super) fn confirmed(&self) -> Option<Position> {
        self.known.as_ref().map(|known| known.confirmed.position)
    }

    /// Records that the stream ends here: this event is its last.
    pub(super) fn found(&mut self, end: Published) {
        self.epoch += 1;
        self.known = Some(Known { confirmed: end, under_way: None });
    }

    /// Records that a batch is in flight: `messages` messages of the events after the confirmed ones, up to `position`.
    /// The stream takes all of it or nothing.
    pub(super) fn sent(&mut self, position: Position, messages: u64) {
        let Some(known) = &mut self.known else { return };
        known.under_way = Some(Published { position, sequence: known.confirmed.sequence + messages });
    }

    /// Records that the stream has taken a batch, the last message of which has this `sequence`.
    pub(super) fn stored(&mut self, epoch: u64, sequence: u64) {
        if epoch != self.epoch {
            return;
        }
        let Some(known) = &mut self.known else { return };
        match known.under_way.take() {
            Some(published) if published.sequence == sequence => {
                known.confirmed = published;
                self.epoch += 1;
            }
            _ => self.known = None,
        }
    }

    /// Records that a batch was refused.
    pub(super) fn refused(&mut self, epoch: u64) {
        if epoch == self.epoch {
            self.known = None;
        }
    }

    /// Records that the fate of the batch in flight is unknown.
    pub(super) fn lost(&mut self) {
        self.known = None;
    }
}

#[cfg(test)]
#[path = "publication_tests.rs"]
mod tests;
