//! Decides by time and number whether a message of another host is new. A message that was captured and sent again has
//! a good mark, but an old time, or a number that was there before. Reads no clock, and knows nothing of marks.

use std::collections::{BTreeMap, HashSet};

/// The most by which the clocks of two hosts of a cluster may differ, in milliseconds.
pub(super) const CLOCK_DIFFERENCE_MS_MAX: u64 = 30_000;
/// The longest way of a message between two hosts whose clocks agree, in milliseconds.
const DELIVERY_MS_MAX: u64 = 10_000;
/// The oldest message that is accepted, in milliseconds by the receiver's clock.
const AGE_MS_MAX: u64 = CLOCK_DIFFERENCE_MS_MAX + DELIVERY_MS_MAX;
const MS_PER_SECOND: u64 = 1_000;

/// The reason why a message is not accepted as new.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Stale {
    #[error(
        "by the receiver's clock it was sent {age_ms} ms ago; the clocks of two hosts may differ by {} s",
        CLOCK_DIFFERENCE_MS_MAX / MS_PER_SECOND
    )]
    OtherTime { age_ms: i128 },
    #[error("it was there before")]
    Repeated,
    #[error("the receiver remembers {numbers_max} requests, which is the most")]
    Full { numbers_max: usize },
}

fn check_time(now_ms: u64, sent_ms: u64) -> Result<(), Stale> {
    let age_ms = i128::from(now_ms) - i128::from(sent_ms);
    match (-i128::from(CLOCK_DIFFERENCE_MS_MAX)..=i128::from(AGE_MS_MAX)).contains(&age_ms) {
        true => Ok(()),
        false => Err(Stale::OtherTime { age_ms }),
    }
}

fn is_too_old(now_ms: u64, sent_ms: u64) -> bool {
    now_ms.saturating_sub(sent_ms) > AGE_MS_MAX
}

/// The numbers of the requests that were accepted, for as long as their time alone does not refuse them.
pub(super) struct SeenRequests {
    numbers_max: usize,
    count: usize,
    /// By the second in which the requests were sent.
    by_second: BTreeMap<u64, HashSet<u64>>,
    /// The last second whose numbers were dropped. No request of it or before is accepted again, not even after this
    /// host's clock was set back.
    dropped: Option<u64>,
}

impl SeenRequests {
    pub(super) fn new(numbers_max: usize) -> Self {
        Self { numbers_max, count: 0, by_second: BTreeMap::new(), dropped: None }
    }

    /// Accepts a request once, and remembers its number.
    pub(super) fn accept(&mut self, now_ms: u64, sent_ms: u64, number: u64) -> Result<(), Stale> {
        check_time(now_ms, sent_ms)?;
        self.drop_old(now_ms);
        let second = sent_ms / MS_PER_SECOND;
        if self.dropped.is_some_and(|dropped| second <= dropped) {
            return Err(Stale::OtherTime { age_ms: i128::from(now_ms) - i128::from(sent_ms) });
        }
        if self.by_second.get(&second).is_some_and(|numbers| numbers.contains(&number)) {
            return Err(Stale::Repeated);
        }
        if self.count >= self.numbers_max {
            return Err(Stale::Full { numbers_max: self.numbers_max });
        }
        self.by_second.entry(second).or_default().insert(number);
        self.count += 1;
        Ok(())
    }

    fn drop_old(&mut self, now_ms: u64) {
        while let Some(oldest) = self.by_second.first_entry()
            && is_too_old(now_ms, oldest.key() * MS_PER_SECOND + MS_PER_SECOND - 1)
        {
            self.dropped = Some(*oldest.key());
            self.count -= oldest.remove().len();
        }
    }
}

/// The time of the newest heartbeat of each host, for as long as its time alone does not refuse it.
#[derive(Default)]
pub(super) struct NewestHeartbeats(BTreeMap<String, u64>);

impl NewestHeartbeats {
    /// Accepts a heartbeat if it is newer than all before it of the same host.
    pub(super) fn accept(&mut self, now_ms: u64, sent_ms: u64, host: &str) -> Result<(), Stale> {
        check_time(now_ms, sent_ms)?;
        self.0.retain(|_, newest_ms| !is_too_old(now_ms, *newest_ms));
        let newest_ms = self.0.entry(host.to_owned()).or_default();
        if sent_ms <= *newest_ms {
            return Err(Stale::Repeated);
        }
        *newest_ms = sent_ms;
        Ok(())
    }
}

/// The time of a host's next heartbeat. It grows with each heartbeat, also when the clock stands or is set back a
/// little. A time that was so far ahead that no other host accepted it is given up.
pub(super) fn next_heartbeat_ms(now_ms: u64, last_ms: u64) -> u64 {
    match last_ms > now_ms + CLOCK_DIFFERENCE_MS_MAX {
        true => now_ms,
        false => now_ms.max(last_ms + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_000_000_000;

    fn is_other_time(result: Result<(), Stale>) -> bool {
        matches!(result, Err(Stale::OtherTime { .. }))
    }

    #[test]
    fn a_request_is_accepted_once_and_only_while_it_is_new() {
        let mut seen = SeenRequests::new(100);
        assert_eq!(seen.accept(NOW_MS, NOW_MS, 1), Ok(()));
        assert_eq!(seen.accept(NOW_MS, NOW_MS, 2), Ok(()));
        for later_ms in [0, 1, AGE_MS_MAX] {
            assert_eq!(seen.accept(NOW_MS + later_ms, NOW_MS, 1), Err(Stale::Repeated), "{later_ms}");
        }
        for later_ms in [AGE_MS_MAX + 1, 10 * AGE_MS_MAX, u64::MAX - NOW_MS] {
            assert!(is_other_time(seen.accept(NOW_MS + later_ms, NOW_MS, 1)), "{later_ms}");
        }
    }

    #[test]
    fn clocks_may_differ_by_a_bounded_time() {
        let accept = |sent_ms: u64| SeenRequests::new(100).accept(NOW_MS, sent_ms, 1);
        assert_eq!(accept(NOW_MS + CLOCK_DIFFERENCE_MS_MAX), Ok(()));
        assert_eq!(accept(NOW_MS - CLOCK_DIFFERENCE_MS_MAX - DELIVERY_MS_MAX), Ok(()));
        for sent_ms in [NOW_MS + CLOCK_DIFFERENCE_MS_MAX + 1, NOW_MS - AGE_MS_MAX - 1, 0, u64::MAX] {
            assert!(is_other_time(accept(sent_ms)), "{sent_ms}");
        }
    }

    #[test]
    fn numbers_are_dropped_only_after_their_time_and_no_request_beyond_the_bound_is_accepted() {
        let mut seen = SeenRequests::new(2);
        let ahead_ms = NOW_MS + CLOCK_DIFFERENCE_MS_MAX;
        assert_eq!(seen.accept(NOW_MS, NOW_MS, 1), Ok(()));
        assert_eq!(seen.accept(NOW_MS, ahead_ms, 2), Ok(()));
        assert_eq!(seen.accept(NOW_MS, NOW_MS, 3), Err(Stale::Full { numbers_max: 2 }));
        assert_eq!(seen.accept(NOW_MS, NOW_MS, 1), Err(Stale::Repeated), "a repetition is one at the bound too");
        // The first number's time is over, the second's is not.
        let later_ms = NOW_MS + AGE_MS_MAX + MS_PER_SECOND;
        assert_eq!(seen.accept(later_ms, later_ms, 4), Ok(()));
        assert_eq!(seen.accept(later_ms, later_ms, 5), Err(Stale::Full { numbers_max: 2 }));
        assert_eq!(seen.accept(later_ms, ahead_ms, 2), Err(Stale::Repeated));
        assert_eq!(seen.count, seen.by_second.values().map(HashSet::len).sum::<usize>());
    }

    #[test]
    fn a_clock_that_is_set_back_makes_no_old_request_new() {
        let mut seen = SeenRequests::new(100);
        assert_eq!(seen.accept(NOW_MS, NOW_MS, 1), Ok(()));
        let later_ms = NOW_MS + 10 * AGE_MS_MAX;
        assert_eq!(seen.accept(later_ms, later_ms, 2), Ok(()));
        assert!(is_other_time(seen.accept(NOW_MS + 1, NOW_MS, 1)));
        // Requests that are sent after the correction are accepted.
        assert_eq!(seen.accept(NOW_MS + MS_PER_SECOND, NOW_MS + MS_PER_SECOND, 3), Ok(()));
    }

    #[test]
    fn a_heartbeat_is_newer_than_those_before_it_of_its_host() {
        let mut newest = NewestHeartbeats::default();
        assert_eq!(newest.accept(NOW_MS, NOW_MS, "one"), Ok(()));
        assert_eq!(newest.accept(NOW_MS, NOW_MS - 1, "two"), Ok(()));
        for sent_ms in [NOW_MS, NOW_MS - 1] {
            assert_eq!(newest.accept(NOW_MS, sent_ms, "one"), Err(Stale::Repeated), "{sent_ms}");
        }
        assert_eq!(newest.accept(NOW_MS + AGE_MS_MAX, NOW_MS, "one"), Err(Stale::Repeated));
        assert_eq!(newest.accept(NOW_MS, NOW_MS + 1, "one"), Ok(()));
        assert!(is_other_time(newest.accept(NOW_MS + 2 * AGE_MS_MAX, NOW_MS, "one")));
        // What is remembered of a host that is gone goes away.
        let later_ms = NOW_MS + 2 * AGE_MS_MAX;
        assert_eq!(newest.accept(later_ms, later_ms, "three"), Ok(()));
        assert_eq!(newest.0.len(), 1);
    }

    #[test]
    fn the_times_of_heartbeats_grow_and_recover_from_a_clock_that_was_ahead() {
        assert_eq!(next_heartbeat_ms(NOW_MS, 0), NOW_MS);
        assert_eq!(next_heartbeat_ms(NOW_MS, NOW_MS), NOW_MS + 1);
        assert_eq!(next_heartbeat_ms(NOW_MS, NOW_MS + 5_000), NOW_MS + 5_001);
        assert_eq!(next_heartbeat_ms(NOW_MS, NOW_MS + 3_600_000), NOW_MS);
    }
}
