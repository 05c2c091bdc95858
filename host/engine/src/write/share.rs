//! What a tenant may keep in guest memory on one worker. Aggregates are spread evenly over the workers, so each worker
//! enforces an even share of the tenant's limits without asking the others.

use polder_core::Limits;

/// The limits on warm states and guest memory for one of `worker_count` workers.
pub(super) fn share_of(limits: Limits, worker_count: usize) -> Limits {
    let count = worker_count.max(1) as u64;
    Limits {
        warm_states_max: limits.warm_states_max.div_ceil(count),
        guest_memory_bytes_max: limits.guest_memory_bytes_max.div_ceil(count),
        ..limits
    }
}

/// When there are too many states, one of this number is evicted, so that the next commands evict none.
const LEAVING_SHARE: u64 = 8;
/// Upper bound of the commands between two checks.
const COMMANDS_PER_CHECK_MAX: u64 = 64;

/// Commands of a resident between two checks of its tenant's memory; fewer when the limit on states is small.
pub(super) fn commands_per_check(share: &Limits) -> u64 {
    (share.warm_states_max / LEAVING_SHARE).clamp(1, COMMANDS_PER_CHECK_MAX)
}

/// Number of the tenant's states to evict.
pub(super) fn states_leaving(states: u64, share: &Limits) -> usize {
    let kept = share.warm_states_max - share.warm_states_max / LEAVING_SHARE;
    let leaving = if states > share.warm_states_max { states - kept } else { 0 };
    usize::try_from(leaving).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_never_zero() {
        let limits = Limits { warm_states_max: 1, guest_memory_bytes_max: 100, ..Limits::DEFAULT };
        let share = share_of(limits, 8);
        assert_eq!((share.warm_states_max, share.guest_memory_bytes_max), (1, 13));
        assert_eq!((share.memory_bytes_max, commands_per_check(&share)), (limits.memory_bytes_max, 1));
        assert_eq!(share_of(limits, 1), limits);
    }

    #[test]
    fn an_eighth_of_the_states_is_evicted_at_once() {
        let share = |warm_states_max| Limits { warm_states_max, ..Limits::DEFAULT };
        let cases = [(1, 1, 0), (2, 1, 1), (8, 8, 0), (9, 8, 2), (8_001, 8_000, 1_001), (9_000, 8_000, 2_000)];
        for (states, max, leaving) in cases {
            assert_eq!(states_leaving(states, &share(max)), leaving, "{states} of {max}");
        }
        assert_eq!([1, 8, 80, 8_000].map(|max| commands_per_check(&share(max))), [1, 1, 10, 64]);
    }
}
