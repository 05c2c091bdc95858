//! Decides what to publish next, from what the stream is known to hold. Pure: knows neither NATS nor the journal.

use polder_core::Position;

/// An event and the last of the stream's messages that tell of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Place {
    pub(super) position: Position,
    /// The stream's own count. It runs ahead of positions where events are translated, or somebody else has published to the stream's
    /// subjects.
    pub(super) sequence: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing is known, or not any more: look where the stream ends.
    FindEnd,
    /// Send a batch of events from right after this place on.
    Publish { after: Place },
    /// A batch is under way. The next one is sent once this one is known to be there: a sequence alone does not say which message took it,
    /// and a message of somebody else can take an event's place.
    AwaitConfirmation,
    /// The stream holds all there is.
    Rest,
}

/// Where to go on in a stream that ends with message `number` of the `count` that tell of the event at `position`: the last event of which
/// all messages are there, and how many there are of the next.
pub(super) fn complete_up_to(position: Position, number: usize, count: usize) -> (Position, usize) {
    match number + 1 < count {
        true => (Position(position.0.saturating_sub(1)), number + 1),
        false => (position, 0),
    }
}

#[derive(Debug, Default)]
pub(super) struct Publication {
    known: Option<Known>,
    /// Tells the confirmation of the batch that was sent last from those of what was given up.
    epoch: u64,
}

#[derive(Debug)]
struct Known {
    confirmed: Place,
    /// The place of the last event of the batch that was sent.
    under_way: Option<Place>,
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

    /// What the stream is known to hold.
    pub(super) fn confirmed(&self) -> Option<Position> {
        self.known.as_ref().map(|known| known.confirmed.position)
    }

    /// The stream ends here: this event is its last.
    pub(super) fn found(&mut self, end: Place) {
        self.epoch += 1;
        self.known = Some(Known { confirmed: end, under_way: None });
    }

    /// A batch is on its way: so many messages of the events right after what is confirmed, up to `position`. The stream takes all of it or
    /// nothing.
    pub(super) fn sent(&mut self, position: Position, messages: u64) {
        let Some(known) = &mut self.known else { return };
        known.under_way = Some(Place { position, sequence: known.confirmed.sequence + messages });
    }

    /// The stream has taken a batch, whose last message is its message `sequence`.
    pub(super) fn stored(&mut self, epoch: u64, sequence: u64) {
        if epoch != self.epoch {
            return;
        }
        let Some(known) = &mut self.known else { return };
        match known.under_way.take() {
            Some(place) if place.sequence == sequence => {
                known.confirmed = place;
                self.epoch += 1;
            }
            _ => self.known = None,
        }
    }

    /// A batch was refused.
    pub(super) fn refused(&mut self, epoch: u64) {
        if epoch == self.epoch {
            self.known = None;
        }
    }

    /// What became of what is under way is not known.
    pub(super) fn lost(&mut self) {
        self.known = None;
    }
}

#[cfg(test)]
#[path = "publication_tests.rs"]
mod tests;
