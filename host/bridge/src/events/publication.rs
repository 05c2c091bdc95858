//! Decides what to publish next, from what the stream is known to hold. Pure: knows neither NATS nor the journal.

use std::collections::VecDeque;

use polder_core::Position;

/// Sent and not confirmed. A server buffers 10,000 messages of a stream by default, and drops what is beyond.
const EVENTS_UNCONFIRMED_MAX: u64 = 4_096;
/// As above; a server buffers 128 MiB.
const BYTES_UNCONFIRMED_MAX: usize = 16 * 1024 * 1024;

/// An event and the stream's message that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Place {
    pub(super) position: Position,
    /// The stream's own count. It runs ahead of positions where somebody else has published to the stream's subjects.
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

#[derive(Debug, Default)]
pub(super) struct Publication {
    known: Option<Known>,
    /// Tells confirmations of what was sent last from those of what was given up.
    epoch: u64,
}

#[derive(Debug)]
struct Known {
    confirmed: Place,
    sent: Place,
    /// Batches under way, each with the place of its last event and its size.
    under_way: VecDeque<(Place, usize)>,
    bytes_under_way: usize,
}

impl Publication {
    pub(super) fn step(&self, newest: Position) -> Step {
        let Some(known) = &self.known else { return Step::FindEnd };
        let events_under_way = known.sent.position.0 - known.confirmed.position.0;
        let is_room = events_under_way < EVENTS_UNCONFIRMED_MAX && known.bytes_under_way < BYTES_UNCONFIRMED_MAX;
        if known.sent.position < newest && is_room {
            Step::Publish { after: known.sent }
        } else if known.under_way.is_empty() {
            Step::Rest
        } else {
            Step::AwaitConfirmation
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
        self.known = Some(Known { confirmed: end, sent: end, under_way: VecDeque::new(), bytes_under_way: 0 });
    }

    /// The events right after what was sent last are on their way; a confirmation of the last of them was asked for. Each was sent to
    /// stand right behind the one before, so this confirmation confirms them all.
    pub(super) fn sent(&mut self, events: u64, bytes: usize) {
        let Some(known) = &mut self.known else { return };
        known.sent.position = known.sent.position.plus(events);
        known.sent.sequence += events;
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
