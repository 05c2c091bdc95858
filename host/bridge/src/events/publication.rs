//! Decides what to publish next, from what the stream is known to hold. Pure: knows neither NATS nor the journal.

use std::collections::VecDeque;

use polder_core::Position;

/// Sent and not confirmed. A server buffers 10,000 messages of a stream by default, and drops what is beyond.
const MESSAGES_UNCONFIRMED_MAX: u64 = 4_096;
/// As above; a server buffers 128 MiB.
const BYTES_UNCONFIRMED_MAX: usize = 16 * 1024 * 1024;

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
    /// Send events from right after this place on.
    Publish { after: Place },
    /// Enough is under way, or all there is.
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
    /// Tells confirmations of what was sent last from those of what was given up.
    epoch: u64,
}

#[derive(Debug)]
struct Known {
    found: Place,
    confirmed: Place,
    sent: Place,
    /// Batches under way, each with the place of its last event and its size.
    under_way: VecDeque<(Place, usize)>,
    bytes_under_way: usize,
}

impl Publication {
    pub(super) fn step(&self, newest: Position) -> Step {
        let Some(known) = &self.known else { return Step::FindEnd };
        let under_way = known.sent.sequence - known.confirmed.sequence;
        let is_room = under_way < MESSAGES_UNCONFIRMED_MAX && known.bytes_under_way < BYTES_UNCONFIRMED_MAX;
        if known.sent.position < newest && is_room {
            Step::Publish { after: known.sent }
        } else if known.under_way.is_empty() {
            Step::Rest
        } else {
            Step::AwaitConfirmation
        }
    }

    /// Nothing was sent since the end was found. The first event is sent to stand at the stream's end as it was read; each further one
    /// also right behind the event before it, by that one's id. The sequence alone would not do: somebody else's message can take an
    /// event's place, and then the next event would find its own.
    pub(super) fn is_first(&self) -> bool {
        self.known.as_ref().is_some_and(|known| known.sent == known.found)
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
        self.known =
            Some(Known { found: end, confirmed: end, sent: end, under_way: VecDeque::new(), bytes_under_way: 0 });
    }

    /// The messages of the events right after what was sent last, up to `position`, are on their way; a confirmation of the last of them
    /// was asked for. Each was sent to stand right behind the one before, so this confirmation confirms them all.
    pub(super) fn sent(&mut self, position: Position, messages: u64, bytes: usize) {
        let Some(known) = &mut self.known else { return };
        known.sent.position = position;
        known.sent.sequence += messages;
        known.under_way.push_back((known.sent, bytes));
        known.bytes_under_way += bytes;
    }

    /// The stream has taken the last event of a batch as its message `sequence`.
    pub(super) fn stored(&mut self, epoch: u64, sequence: u64) {
        if epoch != self.epoch {
            return;
        }
        let Some(known) = &mut self.known else { return };
        match known.under_way.pop_front() {
            Some((place, bytes)) if place.sequence == sequence => {
                known.confirmed = place;
                known.bytes_under_way -= bytes;
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
