//! Decides whether too many calls of a revision fail, and what follows. A new revision is withdrawn. A revision that
//! was good for long gets a circuit breaker: it takes no commands for a while, and then a few trial commands.
//!
//! One caller or one aggregate cannot take a revision away from the others. Failures only count against the revision as
//! far as they remain after leaving out those of the caller with most failures and those of the aggregate with most
//! failures.
//!
//! This module takes counts and times and returns actions. Other modules carry them out.

use std::time::Duration;

use super::origins::{Origin, Origins};
use polder_core::counted;

/// A revision is new for this long after its activation. A new revision is withdrawn when it fails.
pub(crate) const PROBATION: Duration = Duration::from_secs(5 * 60);
/// Faults in percent of the calls. A higher share is too much.
pub(crate) const FAULT_PERCENT_MAX: u64 = 20;
/// With fewer faults than this no conclusion is drawn.
pub(crate) const FAULTS_MIN: u64 = 10;
/// Nor with fewer faults than this outside the worst caller and the worst aggregate.
pub(crate) const FAULTS_OF_OTHERS_MIN: u64 = 3;
/// Faults and calls are counted in windows of this length. A window begins with a fault.
pub(crate) const WINDOW: Duration = Duration::from_secs(60);
/// How long a circuit stays open the first time. The time doubles with each failed trial.
pub(crate) const OPEN_MIN: Duration = Duration::from_secs(5);
/// The longest time that a circuit stays open.
pub(crate) const OPEN_MAX: Duration = Duration::from_secs(5 * 60);
/// Interval between trial commands while a circuit is half open.
pub(crate) const TRIAL_EVERY: Duration = Duration::from_secs(1);
/// Number of good calls that close a half-open circuit.
pub(crate) const TRIALS_MIN: u64 = 5;

/// The judgement of one revision. All times are measured from its activation.
#[derive(Debug)]
pub(crate) struct Judgement {
    window: Option<Window>,
    circuit: Circuit,
}

#[derive(Debug)]
struct Window {
    began: Duration,
    /// Number of calls that had ended before the window.
    calls_before: u64,
    faults: Origins,
    /// Whether it was reported that the faults concern one caller or one aggregate.
    is_reported: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Circuit {
    Closed,
    Open {
        until: Duration,
        length: Duration,
    },
    HalfOpen {
        next: Duration,
        good: u64,
        length: Duration,
        /// The origin of the first trial that failed.
        failed: Option<Origin>,
    },
}

/// The action that the host must take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CircuitAction {
    /// A new revision is bad: withdraw it.
    Withdraw { cause: String },
    /// A revision that was good for long is bad now: its callers are asked to retry later.
    Break { cause: String },
    /// Many calls fail, but only for one caller or one aggregate: the revision stays, and the operator is informed.
    Spare { cause: String },
    /// The revision works again.
    Mend,
}

/// State of the circuit, for metrics.
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

    /// Admits a command, or returns how long the caller should wait.
    pub(crate) fn admit(&mut self, now: Duration) -> Result<(), Duration> {
        let next = now + TRIAL_EVERY;
        match self.circuit {
            Circuit::Closed => Ok(()),
            Circuit::Open { until, .. } if now < until => Err(until - now),
            Circuit::HalfOpen { next, .. } if now < next => Err(next - now),
            Circuit::Open { length, .. } => {
                self.circuit = Circuit::HalfOpen { next, good: 0, length, failed: None };
                Ok(())
            }
            Circuit::HalfOpen { good, length, failed, .. } => {
                self.circuit = Circuit::HalfOpen { next, good, length, failed };
                Ok(())
            }
        }
    }

    /// Reports that this many calls have ended well since the last report.
    pub(crate) fn ended_well(&mut self, calls: u64) -> Option<CircuitAction> {
        let Circuit::HalfOpen { next, good, length, failed } = self.circuit else { return None };
        let good = good + calls;
        self.circuit = Circuit::HalfOpen { next, good, length, failed };
        (good >= TRIALS_MIN).then(|| {
            self.circuit = Circuit::Closed;
            self.window = None;
            CircuitAction::Mend
        })
    }

    /// Reports a failed call of `origin`. `calls` is the number of all calls that have ended, including this one.
    pub(crate) fn failed(&mut self, now: Duration, origin: Origin, calls: u64) -> Option<CircuitAction> {
        match self.circuit {
            Circuit::Closed => self.judge(now, origin, calls),
            // A late failure of a command that was admitted before.
            Circuit::Open { .. } => None,
            // A single caller or aggregate cannot keep the circuit open for the others.
            Circuit::HalfOpen { next, good, length, failed: None } => {
                self.circuit = Circuit::HalfOpen { next, good, length, failed: Some(origin) };
                None
            }
            Circuit::HalfOpen { failed: Some(first), .. } if !first.is_apart(origin) => None,
            Circuit::HalfOpen { length, .. } => {
                let length = (length * 2).min(OPEN_MAX);
                self.circuit = Circuit::Open { until: now + length, length };
                Some(CircuitAction::Break { cause: "trials failed".into() })
            }
        }
    }

    /// Opens the circuit of a new revision that has no predecessor to go back to.
    pub(crate) fn break_circuit(&mut self, now: Duration) {
        self.circuit = Circuit::Open { until: now + OPEN_MIN, length: OPEN_MIN };
    }

    fn judge(&mut self, now: Duration, origin: Origin, total: u64) -> Option<CircuitAction> {
        if self.window.as_ref().is_some_and(|window| now.saturating_sub(window.began) >= WINDOW) {
            self.window = None;
        }
        let window = self.window.get_or_insert_with(|| Window {
            began: now,
            calls_before: total - 1,
            faults: Origins::default(),
            is_reported: false,
        });
        window.faults.add(origin);
        let (faults, calls) = (window.faults.count(), total - window.calls_before);
        let is_too_many = |faults: u64, calls: u64| faults * 100 > calls * FAULT_PERCENT_MAX;
        if faults < FAULTS_MIN || !is_too_many(faults, calls) {
            return None;
        }
        let seconds = (now - window.began).as_secs().max(1);
        let (callers, aggregates) = (window.faults.callers(), window.faults.aggregates());
        let cause = format!(
            "{faults} of its {} within {seconds} s failed, for {callers} and {aggregates}; \
             the limits are {FAULT_PERCENT_MAX} % and {FAULTS_MIN} faults",
            counted(calls, "call")
        );
        let left_out = window.faults.of_one_caller_or_one_aggregate();
        let (faults, calls) = (faults - left_out, calls - left_out);
        if faults < FAULTS_OF_OTHERS_MIN || !is_too_many(faults, calls) {
            return (!std::mem::replace(&mut window.is_reported, true)).then_some(CircuitAction::Spare { cause });
        }
        // Each window is judged once. Failures during the withdrawal start a new window.
        self.window = None;
        if now < PROBATION {
            return Some(CircuitAction::Withdraw { cause });
        }
        self.break_circuit(now);
        Some(CircuitAction::Break { cause })
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

    fn origin(caller: u64, aggregate: u64) -> Origin {
        Origin { caller, aggregate }
    }

    /// A revision under test, with its count of calls.
    struct Trial {
        judgement: Judgement,
        total: u64,
    }

    impl Trial {
        fn new() -> Self {
            Self { judgement: Judgement::new(), total: 0 }
        }

        fn good(&mut self, calls: u64) -> Option<CircuitAction> {
            self.total += calls;
            self.judgement.ended_well(calls)
        }

        fn fault(&mut self, second: u64, origin: Origin) -> Option<CircuitAction> {
            self.total += 1;
            self.judgement.failed(at(second), origin, self.total)
        }

        /// Reports one fault each second from `from` on, each for another caller and aggregate and among `calls` calls.
        /// Returns when an action followed, and which.
        fn sentenced(&mut self, from: u64, calls: u64) -> Option<(u64, CircuitAction)> {
            self.sentenced_for(from, calls, |number| origin(number, number))
        }

        fn sentenced_for(
            &mut self,
            from: u64,
            calls: u64,
            origin: impl Fn(u64) -> Origin,
        ) -> Option<(u64, CircuitAction)> {
            (from..from + 200).find_map(|second| {
                let sentence = self.good(calls - 1).or_else(|| self.fault(second, origin(second)));
                Some((second, sentence.filter(|sentence| !matches!(sentence, CircuitAction::Spare { .. }))?))
            })
        }

        fn broken() -> Self {
            let mut trial = Self::new();
            let (second, sentence) = trial.sentenced(1_000, 1).unwrap();
            assert!(matches!(sentence, CircuitAction::Break { .. }) && second == 1_009, "{second}: {sentence:?}");
            trial
        }
    }

    #[test]
    fn a_new_revision_that_fails_is_withdrawn() {
        let (second, sentence) = Trial::new().sentenced(0, 1).unwrap();
        let cause =
            "10 of its 10 calls within 9 s failed, for 10 callers and 10 aggregates; the limits are 20 % and 10 faults";
        assert_eq!((second, sentence), (9, CircuitAction::Withdraw { cause: cause.to_owned() }));
    }

    #[test]
    fn few_faults_among_many_calls_are_tolerated() {
        assert_eq!(Trial::new().sentenced(0, 5), None, "20 % are not more than 20 %");
        assert!(Trial::new().sentenced(0, 4).is_some());
    }

    #[test]
    fn good_calls_before_the_first_fault_do_not_hide_it() {
        let mut trial = Trial::new();
        assert_eq!(trial.good(1_000_000), None);
        assert!(trial.sentenced(1, 1).is_some());
    }

    #[test]
    fn faults_that_are_far_apart_do_not_add_up() {
        let mut trial = Trial::new();
        assert!((0..100).all(|number| trial.fault(number * 7, origin(number, number)).is_none()));
    }

    #[test]
    fn one_caller_or_one_aggregate_cannot_cause_a_withdrawal() {
        let one_caller = |number| origin(7, number);
        let one_aggregate = |number| origin(number, 7);
        for from in [0, 1_000] {
            assert_eq!(Trial::new().sentenced_for(from, 1, one_caller), None);
            assert_eq!(Trial::new().sentenced_for(from, 1, one_aggregate), None);
            // Now and then a fault of another caller is among them.
            let and_accidents = |number: u64| origin(if number.is_multiple_of(50) { number } else { 7 }, number);
            assert_eq!(Trial::new().sentenced_for(from, 1, and_accidents), None);
        }
        assert!(Trial::new().sentenced_for(0, 1, |number| origin(number % 2, number)).is_some(), "two callers");
    }

    #[test]
    fn faults_of_one_caller_are_reported_once() {
        let mut trial = Trial::new();
        let reports: Vec<_> = (0..50).filter_map(|number| trial.fault(1, origin(7, number))).collect();
        assert_eq!(reports.len(), 1);
        assert!(
            matches!(&reports[0], CircuitAction::Spare { cause } if cause.contains("for 1 caller and 10 aggregates"))
        );
    }

    #[test]
    fn one_caller_among_many_good_calls_does_not_hide_the_others() {
        let mut trial = Trial::new();
        for number in 0..1_000 {
            trial.fault(0, origin(7, number));
        }
        assert!(trial.sentenced(1, 2).is_some(), "half of all other calls fail");
    }

    #[test]
    fn a_broken_circuit_is_tried_again() {
        let mut trial = Trial::broken();
        assert_eq!(trial.judgement.circuit(), CircuitState::Open);
        assert_eq!(trial.judgement.admit(at(1_010)), Err(at(4)));
        assert_eq!(trial.fault(1_010, origin(1, 1)), None, "it was admitted before");
        for second in 1_014..1_018 {
            assert_eq!(trial.judgement.admit(at(second)), Ok(()));
            assert_eq!(trial.judgement.admit(at(second)), Err(at(1)), "one at a time");
            assert_eq!(trial.judgement.circuit(), CircuitState::HalfOpen);
            assert_eq!(trial.good(1), None);
        }
        assert_eq!(trial.judgement.admit(at(1_018)), Ok(()));
        assert_eq!(trial.good(1), Some(CircuitAction::Mend));
        assert_eq!((trial.judgement.admit(at(1_018)), trial.judgement.circuit()), (Ok(()), CircuitState::Closed));
    }

    #[test]
    fn failed_trials_lengthen_the_wait() {
        let mut trial = Trial::broken();
        let mut second = 1_014;
        for wait in [10, 20, 40, 80, 160, 300, 300] {
            assert_eq!(trial.judgement.admit(at(second)), Ok(()));
            assert_eq!(trial.fault(second, origin(1, 1)), None, "it may concern this caller only");
            second += 1;
            assert_eq!(trial.judgement.admit(at(second)), Ok(()));
            assert!(matches!(trial.fault(second, origin(2, 2)), Some(CircuitAction::Break { .. })));
            assert_eq!(trial.judgement.admit(at(second)), Err(at(wait)));
            second += wait;
        }
    }

    #[test]
    fn one_caller_does_not_keep_a_broken_circuit_open() {
        let mut trial = Trial::broken();
        for second in 1_014..1_100 {
            assert_eq!(trial.judgement.admit(at(second)), Ok(()));
            assert_eq!(trial.fault(second, origin(7, second)), None);
        }
        assert_eq!(trial.good(TRIALS_MIN), Some(CircuitAction::Mend));
    }
}
