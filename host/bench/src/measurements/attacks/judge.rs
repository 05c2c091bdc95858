//! Compares what was measured with what issue 12 asks for. Pure: it measures nothing.

use super::neighbour::Round;
use super::watcher::Peak;

/// Bytes that the host may hold (`--memory-bytes-max`).
pub(super) const MEMORY_BYTES_MAX: u64 = 1024 * MIB;
const MIB: u64 = 1024 * 1024;
/// What the measured memory may be of that, because some memory is counted by estimates.
const MEMORY_FACTOR_MAX: f64 = 1.1;
const COMMANDS_RATIO_MAX: f64 = 2.0;
const READS_RATIO_MAX: f64 = 3.0;
const READ_MS_MAX: f64 = 1_000.0;
const REMOVAL_S_MAX: f64 = 5.0;
const SIGTERM_S_MAX: f64 = 10.0;
/// Memory after all attacks, as a multiple of the memory before.
const MEMORY_AFTER_FACTOR_MAX: f64 = 1.2;

/// Ratio of the 99th percentiles beside the attack and alone. `None` if one of the rounds has none.
pub(super) struct Ratios {
    pub(super) commands: Option<f64>,
    pub(super) reads: Option<f64>,
}

impl Ratios {
    pub(super) fn of(alone: &Round, beside: &Round) -> Self {
        let ratio = |p99: fn(&Round) -> Option<f64>| Some(p99(beside)? / p99(alone)?);
        Self {
            commands: ratio(|round| Some(round.commands_latency?.p99_us)),
            reads: ratio(|round| Some(round.reads_latency?.p99_us)),
        }
    }
}

/// What the neighbour suffered. Nothing if all is as it should be.
pub(super) fn of_neighbour(alone: &Round, beside: &Round) -> Vec<String> {
    let mut wrong = Vec::new();
    for (when, round) in [("alone", alone), ("beside the attack", beside)] {
        for (what, failed, all) in
            [("commands", &round.failed, round.commands), ("reads", &round.reads_failed, round.reads)]
        {
            wrong.extend(
                failed.iter().map(|(reason, count)| format!("{count} of {all} {what} failed {when}: {reason}")),
            );
        }
    }
    let ratios = Ratios::of(alone, beside);
    for (what, ratio, ratio_max) in
        [("commands", ratios.commands, COMMANDS_RATIO_MAX), ("reads", ratios.reads, READS_RATIO_MAX)]
    {
        match ratio {
            None => wrong.push(format!("there is no p99 of {what}")),
            Some(ratio) if ratio > ratio_max => {
                wrong.push(format!("the p99 of {what} is {ratio:.1} × that alone; at most {ratio_max:.0} ×"));
            }
            Some(_) => {}
        }
    }
    let slowest_ms = beside.reads_latency.map_or(0.0, |latency| latency.max_us / 1e3);
    if slowest_ms > READ_MS_MAX {
        wrong.push(format!("a read of an own write took {slowest_ms:.0} ms; at most {READ_MS_MAX:.0} ms"));
    }
    wrong
}

pub(super) fn of_memory(peak: &Peak) -> Option<String> {
    let most = (MEMORY_BYTES_MAX as f64 * MEMORY_FACTOR_MAX) as u64;
    (peak.together_bytes > most).then(|| {
        let (held, most) = (peak.together_bytes / MIB, most / MIB);
        format!("the host and its compilers held {held} MiB; at most {most} MiB")
    })
}

pub(super) fn of_removal(seconds: f64) -> Option<String> {
    (seconds > REMOVAL_S_MAX)
        .then(|| format!("the removal of a hostile tenant took {seconds:.1} s; at most {REMOVAL_S_MAX:.0} s"))
}

pub(super) fn of_end(seconds: f64) -> Option<String> {
    (seconds > SIGTERM_S_MAX)
        .then(|| format!("the host ended {seconds:.1} s after SIGTERM; at most {SIGTERM_S_MAX:.0} s"))
}

pub(super) fn of_memory_afterwards(before: u64, after: u64) -> Option<String> {
    let factor = after as f64 / before as f64;
    (factor > MEMORY_AFTER_FACTOR_MAX).then(|| {
        let (before, after) = (before / MIB, after / MIB);
        format!(
            "{after} MiB after all attacks are {factor:.2} × the {before} MiB before; at most \
             {MEMORY_AFTER_FACTOR_MAX} ×"
        )
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::figures::Latency;

    use super::*;

    fn round(commands_us: f64, reads_us: f64) -> Round {
        let latency = |us| Some(Latency { p50_us: us, p99_us: us, p999_us: us, max_us: us });
        Round {
            commands: 100,
            failed: BTreeMap::new(),
            commands_latency: latency(commands_us),
            reads: 2,
            reads_failed: BTreeMap::new(),
            reads_latency: latency(reads_us),
            sent_again: 0,
        }
    }

    #[test]
    fn commands_may_take_twice_and_reads_three_times_as_long() {
        let alone = round(100.0, 1_000.0);
        assert_eq!(of_neighbour(&alone, &round(200.0, 3_000.0)), Vec::<String>::new());
        assert_eq!(
            of_neighbour(&alone, &round(210.0, 3_100.0)),
            [
                "the p99 of commands is 2.1 × that alone; at most 2 ×",
                "the p99 of reads is 3.1 × that alone; at most 3 ×"
            ]
        );
    }

    #[test]
    fn a_slow_read_a_failure_and_a_round_without_answers_are_named() {
        let alone = round(100.0, 900_000.0);
        assert_eq!(
            of_neighbour(&alone, &round(100.0, 1_100_000.0)),
            ["a read of an own write took 1100 ms; at most 1000 ms"]
        );
        let mut beside = round(100.0, 900_000.0);
        beside.failed.insert("503 host-busy".into(), 3);
        assert_eq!(of_neighbour(&alone, &beside), ["3 of 100 commands failed beside the attack: 503 host-busy"]);
        beside = Round { commands_latency: None, ..round(0.0, 900_000.0) };
        assert_eq!(of_neighbour(&alone, &beside), ["there is no p99 of commands"]);
    }

    #[test]
    fn memory_and_times_have_their_bounds() {
        let peak = |bytes| Peak { together_bytes: bytes, ..Peak::default() };
        assert_eq!(of_memory(&peak(1_126 * MIB)), None);
        let wrong = "the host and its compilers held 1127 MiB; at most 1126 MiB";
        assert_eq!(of_memory(&peak(1_127 * MIB)).as_deref(), Some(wrong));
        assert_eq!(of_removal(5.0), None);
        assert!(of_removal(5.1).is_some());
        assert_eq!(of_end(10.0), None);
        assert!(of_end(10.1).is_some());
        assert_eq!(of_memory_afterwards(100 * MIB, 120 * MIB), None);
        assert!(of_memory_afterwards(100 * MIB, 121 * MIB).is_some());
    }
}
