//! Gives commands priority over background work. The work runs in short turns, with a pause after each while commands
//! arrive. On an idle host it runs without pauses.
//!
//! A low thread priority would have the same effect with shorter pauses. It is not used, because a thread that is not
//! scheduled for a while must not hold a lock of the index, which the write path needs.

use std::time::{Duration, Instant};

use polder_journal::Reader;

/// Length of a turn.
const TURN: Duration = Duration::from_millis(2);
/// Pause after a turn of work that a caller waits for, though with lower priority than commands. It applies to each
/// thread that does such work.
pub(crate) const SHORT_REST: Duration = Duration::from_millis(2);
/// Pause after a turn of work that no caller waits for.
pub(crate) const LONG_REST: Duration = Duration::from_millis(14);

/// Right after a switch workers have the most to do. Work that no caller waits for is delayed by this time if commands
/// arrive …
const HOLD_BACK: Duration = Duration::from_secs(1);
/// … during this time.
const CHECK: Duration = Duration::from_millis(20);

/// Background work that has not begun yet. Pure.
#[derive(Debug)]
pub(crate) struct HeldBack {
    since: Instant,
    /// Number of events in the journal at the last check.
    events: Option<u64>,
}

impl HeldBack {
    pub(crate) fn new(now: Instant) -> Self {
        Self { since: now, events: None }
    }

    /// Returns when to check again, or `None` when the work may begin. `events` is the number of events in the journal
    /// now.
    pub(crate) fn wait(&mut self, events: u64, now: Instant) -> Option<Duration> {
        let left = HOLD_BACK.saturating_sub(now.duration_since(self.since));
        match self.events.replace(events) {
            None => Some(CHECK),
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

    /// Call this often. Pauses when the turn is over and events were recorded during it.
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
    fn delayed_work_begins_at_once_if_no_commands_arrive() {
        let start = Instant::now();
        let mut work = HeldBack::new(start);
        assert_eq!(work.wait(7, start), Some(CHECK));
        assert_eq!(work.wait(7, start + CHECK), None);
    }

    #[test]
    fn delayed_work_waits_for_commands_but_not_for_ever() {
        let start = Instant::now();
        let mut work = HeldBack::new(start);
        assert_eq!(work.wait(7, start), Some(CHECK));
        assert_eq!(work.wait(8, start + CHECK), Some(HOLD_BACK - CHECK));
        assert_eq!(work.wait(9, start + HOLD_BACK), None);
    }
}
