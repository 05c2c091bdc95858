//! Keeps track of the domains that a worker has lent to the slow lane, and of when their commands run on the worker
//! again.
//!
//! A domain's aggregates belong to one worker, whichever thread runs their commands. The worker lends the domain and
//! passes its commands on. It takes the domain back when the domain has behaved for long enough and none of its
//! commands is on the slow lane. Commands that arrive before that wait, so two commands of one aggregate are never
//! decided at the same time.
//!
//! This is a table without threads or clocks: its caller reports each command that arrives and each that comes back.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// `D` is a domain, known by its address; the loan keeps the domain alive, so the address is not reused. `T` is a
/// command.
pub(super) struct Loans<D, T> {
    loans: HashMap<usize, Loan<D, T>>,
    made: u64,
}

struct Loan<D, T> {
    _domain: Arc<D>,
    number: u64,
    /// Commands passed on that are not back yet.
    outstanding: u64,
    /// Commands that wait until the outstanding ones are back.
    held: VecDeque<T>,
}

/// What to do with a command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Route<T> {
    /// Run it here.
    Own(T),
    /// Pass it on. If the loan is new, the worker's own decisions for the domain must become durable first, and its
    /// states must be dropped.
    Lend { item: T, loan: u64, is_new: bool },
    /// The command was kept. [`Loans::returned`] returns it later.
    Held,
}

impl<D, T> Default for Loans<D, T> {
    fn default() -> Self {
        Self { loans: HashMap::new(), made: 0 }
    }
}

impl<D, T> Loans<D, T> {
    /// Decides where a command runs. `is_slow`: the domain belongs on the slow lane at present.
    pub(super) fn route(&mut self, domain: &Arc<D>, is_slow: bool, item: T) -> Route<T> {
        let address = Arc::as_ptr(domain).addr();
        match self.loans.get_mut(&address) {
            None if !is_slow => Route::Own(item),
            None => {
                self.made += 1;
                let (held, number) = (VecDeque::new(), self.made);
                self.loans.insert(address, Loan { _domain: Arc::clone(domain), number, outstanding: 1, held });
                Route::Lend { item, loan: number, is_new: true }
            }
            Some(loan) if is_slow && loan.held.is_empty() => {
                loan.outstanding += 1;
                Route::Lend { item, loan: loan.number, is_new: false }
            }
            Some(loan) if loan.outstanding == 0 => {
                self.loans.remove(&address);
                Route::Own(item)
            }
            Some(loan) => {
                loan.held.push_back(item);
                Route::Held
            }
        }
    }

    /// Reports that a command that was passed on is answered or durable. Returns the commands that waited for it, to be
    /// routed again.
    pub(super) fn returned(&mut self, domain: &Arc<D>) -> VecDeque<T> {
        let loan = self.loans.get_mut(&Arc::as_ptr(domain).addr()).expect("what comes back was lent");
        loan.outstanding -= 1;
        if loan.outstanding == 0 { std::mem::take(&mut loan.held) } else { VecDeque::new() }
    }

    /// Ends the loans without outstanding commands. Otherwise they would last until the domain's next command.
    pub(super) fn forget_quiet(&mut self) {
        self.loans.retain(|_, loan| loan.outstanding > 0);
    }

    /// Whether there are no loans. Then every domain that is not slow runs on this worker.
    pub(super) fn is_empty(&self) -> bool {
        self.loans.is_empty()
    }

    pub(super) fn is_nothing_outstanding(&self) -> bool {
        self.loans.values().all(|loan| loan.outstanding == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOW: bool = true;

    #[test]
    fn a_fast_domain_is_not_lent() {
        let mut loans = Loans::default();
        assert_eq!(loans.route(&Arc::new(()), !SLOW, 1), Route::Own(1));
        assert!(loans.is_empty() && loans.is_nothing_outstanding());
    }

    #[test]
    fn a_slow_domain_is_lent_until_its_commands_are_back() {
        let (mut loans, domain, other) = (Loans::default(), Arc::new("a"), Arc::new("b"));
        assert_eq!(loans.route(&domain, SLOW, 1), Route::Lend { item: 1, loan: 1, is_new: true });
        assert_eq!(loans.route(&domain, SLOW, 2), Route::Lend { item: 2, loan: 1, is_new: false });
        assert_eq!(loans.route(&other, !SLOW, 3), Route::Own(3));
        // The domain behaves again, but two of its commands are still on the slow lane.
        assert_eq!(loans.route(&domain, !SLOW, 4), Route::Held);
        assert!(loans.returned(&domain).is_empty());
        assert_eq!(loans.route(&domain, SLOW, 5), Route::Held, "it must not overtake the waiting command");
        assert!(!loans.is_nothing_outstanding());
        let held = loans.returned(&domain);
        assert_eq!(held, [4, 5]);
        assert_eq!(loans.route(&domain, !SLOW, 4), Route::Own(4));
        assert_eq!(loans.route(&domain, SLOW, 5), Route::Lend { item: 5, loan: 2, is_new: true });
    }

    #[test]
    fn a_loan_outlives_a_pause_so_that_states_stay_warm() {
        let (mut loans, domain) = (Loans::default(), Arc::new(()));
        loans.route(&domain, SLOW, 1);
        assert!(loans.returned(&domain).is_empty());
        assert_eq!(loans.route(&domain, SLOW, 2), Route::Lend { item: 2, loan: 1, is_new: false });
        loans.forget_quiet();
        assert!(!loans.is_nothing_outstanding());
        loans.returned(&domain);
        loans.forget_quiet();
        assert_eq!(loans.route(&domain, SLOW, 3), Route::Lend { item: 3, loan: 2, is_new: true });
    }
}
