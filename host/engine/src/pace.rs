//! Leaves the machine to the commands: work that nobody waits for goes in short turns, and rests between them for as long as commands
//! come. On a host that is idle it goes on without a rest.
//!
//! A lower priority of the thread would do the same with less waiting, and was not taken: whoever is not run for a while must not
//! hold a lock of the index meanwhile, which the write path needs.

use std::time::{Duration, Instant};

use polder_journal::Reader;

/// How long a turn is.
const TURN: Duration = Duration::from_millis(2);
/// The rest after it, for work that somebody waits for, if not as much as for commands; for each thread that does it.
pub(crate) const SHORT_REST: Duration = Duration::from_millis(2);
/// The rest after it, for work that nobody waits for.
pub(crate) const LONG_REST: Duration = Duration::from_millis(14);

pub(crate) struct Pace {
    reader: Reader,
    rest: Duration,
    began: Instant,
    events: u64,
}

impl Pace {
    pub(crate) fn new(reader: Reader, rest: Duration) -> Self {
        let events = reader.statistics().events;
        Self { reader, rest, began: Instant::now(), events }
    }

    /// Called often; rests when a turn is over and events were recorded meanwhile.
    pub(crate) fn rest(&mut self) {
        if self.began.elapsed() < TURN {
            return;
        }
        let events = self.reader.statistics().events;
        if events != self.events {
            std::thread::sleep(self.rest);
        }
        (self.began, self.events) = (Instant::now(), events);
    }
}
