//! Whether a revision's calls fail too often, and what follows: a new revision goes back where it came from; one that was good
//! for long is kept from its callers for a while and then tried again, with one command now and then.
//!
//! Counts and times come in, sentences come out; what is to be done about them is others' business.

use std::time::Duration;

/// For so long after its activation a revision is new: it goes when it fails.
pub(crate) const PROBATION: Duration = Duration::from_secs(5 * 60);
/// More faults than this, in percent of the calls, are too many.
pub(crate) const FAULT_PERCENT_MAX: u64 = 20;
/// But fewer faults than this say nothing.
pub(crate) const FAULTS_MIN: u64 = 10;
/// Faults are counted together with the calls of so long a time, which begins with a fault.
pub(crate) const WINDOW: Duration = Duration::from_secs(60);
/// How long a circuit is open the first time; twice as long each time the trial fails.
pub(crate) const OPEN_MIN: Duration = Duration::from_secs(5);
/// And at most.
pub(crate) const OPEN_MAX: Duration = Duration::from_secs(5 * 60);
/// While a circuit is half open, one command passes each so often.
pub(crate) const TRIAL_EVERY: Duration = Duration::from_secs(1);
/// So many good calls in a row close it.
pub(crate) const TRIALS_MIN: u64 = 5;

/// Times are those since the revision became active.
#[derive(Debug)]
pub(crate) struct Judgement {
    /// Where the window began, and what had been counted then.
    window: Option<(Duration, Counts)>,
    circuit: Circuit,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) calls: u64,
    pub(crate) faults: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Circuit {
    Closed,
    Open { until: Duration, length: Duration },
    HalfOpen { next: Duration, good: u64, length: Duration },
}

/// What the host is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sentence {
    /// A new revision is bad.
    Withdraw { cause: String },
    /// One that was good for long is bad now: its callers are told to come again later.
    Break { cause: String },
    /// It is good again.
    Mend,
}

/// The state of the circuit, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CircuitState {
    Closed,
    Open,
    HalfOpen,
}

impl Judgement {
    pub(crate) fn new() -> Self {
        Self { window: None, circuit: Circuit::Closed }
    }

    /// Whether a command may come in; if not, when to try again.
    pub(crate) fn admit(&mut self, now: Duration) -> Result<(), Duration> {
        match self.circuit {
            Circuit::Closed => Ok(()),
            Circuit::Open { until, .. } if now < until => Err(until - now),
            Circuit::HalfOpen { next, .. } if now < next => Err(next - now),
            Circuit::Open { length, .. } => {
                self.circuit = Circuit::HalfOpen { next: now + TRIAL_EVERY, good: 0, length };
                Ok(())
            }
            Circuit::HalfOpen { good, length, .. } => {
                self.circuit = Circuit::HalfOpen { next: now + TRIAL_EVERY, good, length };
                Ok(())
            }
        }
    }

    /// What has `ended` since the last report, and of it what is counted in `total`.
    pub(crate) fn report(&mut self, now: Duration, ended: Counts, total: Counts) -> Option<Sentence> {
        match self.circuit {
            Circuit::Closed if ended.faults > 0 => self.judge(now, ended, total),
            // Late answers of commands that had come in before.
            Circuit::Closed | Circuit::Open { .. } => None,
            Circuit::HalfOpen { length, .. } if ended.faults > 0 => {
                let length = (length * 2).min(OPEN_MAX);
                self.circuit = Circuit::Open { until: now + length, length };
                Some(Sentence::Break { cause: "a trial failed".into() })
            }
            Circuit::HalfOpen { next, good, length } => {
                let good = good + ended.calls;
                self.circuit = Circuit::HalfOpen { next, good, length };
                (good >= TRIALS_MIN).then(|| {
                    self.circuit = Circuit::Closed;
                    self.window = None;
                    Sentence::Mend
                })
            }
        }
    }

    /// There was nothing to go back to: then it is treated as one that was good for long.
    pub(crate) fn break_circuit(&mut self, now: Duration) {
        self.circuit = Circuit::Open { until: now + OPEN_MIN, length: OPEN_MIN };
    }

    fn judge(&mut self, now: Duration, ended: Counts, total: Counts) -> Option<Sentence> {
        let before = Counts { calls: total.calls - ended.calls, faults: total.faults - ended.faults };
        let (began, start) =
            self.window.filter(|(began, _)| now.saturating_sub(*began) < WINDOW).unwrap_or((now, before));
        self.window = Some((began, start));
        let (calls, faults) = (total.calls - start.calls, total.faults - start.faults);
        if faults < FAULTS_MIN || faults * 100 <= calls * FAULT_PERCENT_MAX {
            return None;
        }
        // Judged once: who goes on failing while something is done about it begins anew.
        self.window = None;
        let seconds = (now - began).as_secs().max(1);
        let cause = format!(
            "{faults} of its {calls} calls within {seconds} s failed; {FAULT_PERCENT_MAX} % may, and {FAULTS_MIN} are too many then"
        );
        if now < PROBATION {
            return Some(Sentence::Withdraw { cause });
        }
        self.break_circuit(now);
        Some(Sentence::Break { cause })
    }

    pub(crate) fn circuit(&self) -> CircuitState {
        match self.circuit {
            Circuit::Closed => CircuitState::Closed,
            Circuit::Open { .. } => CircuitState::Open,
            Circuit::HalfOpen { .. } => CircuitState::HalfOpen,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// A revision on trial, with its counts.
    struct Trial {
        judgement: Judgement,
        total: Counts,
    }

    impl Trial {
        fn new() -> Self {
            Self { judgement: Judgement::new(), total: Counts::default() }
        }

        fn report(&mut self, second: u64, calls: u64, faults: u64) -> Option<Sentence> {
            self.total.calls += calls;
            self.total.faults += faults;
            self.judgement.report(at(second), Counts { calls, faults }, self.total)
        }

        /// One fault each second from `from` on, each among `calls`: when it was sentenced, and to what.
        fn sentenced(&mut self, from: u64, calls: u64) -> Option<(u64, Sentence)> {
            (from..from + 200).find_map(|second| Some((second, self.report(second, calls, 1)?)))
        }

        fn broken() -> Self {
            let mut trial = Self::new();
            let (second, sentence) = trial.sentenced(1_000, 1).unwrap();
            assert!(matches!(sentence, Sentence::Break { .. }) && second == 1_009, "{second}: {sentence:?}");
            trial
        }
    }

    #[test]
    fn a_new_revision_that_fails_is_withdrawn() {
        let (second, sentence) = Trial::new().sentenced(0, 1).unwrap();
        let cause = "10 of its 10 calls within 9 s failed; 20 % may, and 10 are too many then".to_owned();
        assert_eq!((second, sentence), (9, Sentence::Withdraw { cause }));
    }

    #[test]
    fn few_faults_among_many_calls_are_borne() {
        assert_eq!(Trial::new().sentenced(0, 5), None, "20 % are not more than 20 %");
        assert!(Trial::new().sentenced(0, 4).is_some());
    }

    #[test]
    fn good_calls_before_the_first_fault_do_not_hide_it() {
        let mut trial = Trial::new();
        assert_eq!(trial.report(0, 1_000_000, 0), None);
        assert!(trial.sentenced(1, 1).is_some());
    }

    #[test]
    fn faults_that_lie_far_apart_do_not_add_up() {
        let mut trial = Trial::new();
        assert!((0..100).all(|number| trial.report(number * 7, 1, 1).is_none()));
    }

    #[test]
    fn a_broken_circuit_is_tried_again() {
        let mut trial = Trial::broken();
        assert_eq!(trial.judgement.circuit(), CircuitState::Open);
        assert_eq!(trial.judgement.admit(at(1_010)), Err(at(4)));
        assert_eq!(trial.report(1_010, 1, 1), None, "it came in before");
        for second in 1_014..1_018 {
            assert_eq!(trial.judgement.admit(at(second)), Ok(()));
            assert_eq!(trial.judgement.admit(at(second)), Err(at(1)), "one at a time");
            assert_eq!(trial.judgement.circuit(), CircuitState::HalfOpen);
            assert_eq!(trial.report(second, 1, 0), None);
        }
        assert_eq!(trial.judgement.admit(at(1_018)), Ok(()));
        assert_eq!(trial.report(1_018, 1, 0), Some(Sentence::Mend));
        assert_eq!((trial.judgement.admit(at(1_018)), trial.judgement.circuit()), (Ok(()), CircuitState::Closed));
    }

    #[test]
    fn a_trial_that_fails_makes_the_wait_longer() {
        let mut trial = Trial::broken();
        let mut second = 1_014;
        for wait in [10, 20, 40, 80, 160, 300, 300] {
            assert_eq!(trial.judgement.admit(at(second)), Ok(()));
            assert!(matches!(trial.report(second, 1, 1), Some(Sentence::Break { .. })));
            assert_eq!(trial.judgement.admit(at(second)), Err(at(wait)));
            second += wait;
        }
    }
}
