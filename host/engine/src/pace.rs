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

/// Right after a switch, when workers have the most to do, work that nobody waits for does not even begin for so long while commands
/// come …
const HOLD_BACK: Duration = Duration::from_secs(1);
/// … which is looked for so long.
const LOOK: Duration = Duration::from_millis(20);

/// Work that is not begun yet. Pure.
#[derive(Debug)]
pub(crate) struct HeldBack {
    since: Instant,
    /// Events in the journal when it was looked last.
    events: Option<u64>,
}

impl HeldBack {
    pub(crate) fn new(now: Instant) -> Self {
        Self { since: now, events: None }
    }

    /// When to ask again; `None` when the work may begin. `events` are those in the journal now.
    pub(crate) fn wait(&mut self, events: u64, now: Instant) -> Option<Duration> {
        let left = HOLD_BACK.saturating_sub(now.duration_since(self.since));
        match self.events.replace(events) {
            None => Some(LOOK),
            Some(before) if before == events || left.is_zero() => None,
            Some(_) => Some(left),
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_back_begins_at_once_where_no_commands_come() {
        let start = Instant::now();
        let mut work = HeldBack::new(start);
        assert_eq!(work.wait(7, start), Some(LOOK));
        assert_eq!(work.wait(7, start + LOOK), None);
    }

    #[test]
    fn what_is_held_back_waits_for_commands_and_not_for_ever() {
        let start = Instant::now();
        let mut work = HeldBack::new(start);
        assert_eq!(work.wait(7, start), Some(LOOK));
        assert_eq!(work.wait(8, start + LOOK), Some(HOLD_BACK - LOOK));
        assert_eq!(work.wait(9, start + HOLD_BACK), None);
    }
}
