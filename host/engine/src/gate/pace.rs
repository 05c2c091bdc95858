//! Leaves the machine to the commands: work that nobody waits for goes in short turns, and rests between them for as long as commands
//! come. On a host that is idle it goes on without a rest.
//!
//! A lower priority of the thread would do the same with less waiting, and was not taken: whoever is not run for a while must not
//! hold a lock of the index meanwhile, which the write path needs.

use std::time::{Duration, Instant};

use polder_journal::Reader;

/// How long a turn is, and the rest after it.
const TURN: Duration = Duration::from_millis(2);

pub(super) struct Pace {
    reader: Reader,
    began: Instant,
    events: u64,
}

impl Pace {
    pub(super) fn new(reader: Reader) -> Self {
        let events = reader.statistics().events;
        Self { reader, began: Instant::now(), events }
    }

    /// Called often; rests when a turn is over and events were recorded meanwhile.
    pub(super) fn rest(&mut self) {
        if self.began.elapsed() < TURN {
            return;
        }
        let events = self.reader.statistics().events;
        if events != self.events {
            std::thread::sleep(TURN);
        }
        (self.began, self.events) = (Instant::now(), events);
    }
}
