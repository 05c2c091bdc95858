//! Which domains a worker has lent to the slow lane, and when their commands come back to it.
//!
//! A domain's aggregates belong to one worker whoever runs their commands: the worker lends the domain, passes its commands on, and
//! takes it back when the domain has behaved for long enough and nothing of it is under way on the other lane. Commands
//! that come between the two wait, so that no command is ever decided beside another of the same aggregate.
//!
//! A table without threads or clocks: it is told what comes and what came back.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// `D`: a domain, known by its address, which the loan keeps from being given to another. `T`: a command.
pub(super) struct Loans<D, T> {
    loans: HashMap<usize, Loan<D, T>>,
    made: u64,
}

struct Loan<D, T> {
    _domain: Arc<D>,
    number: u64,
    /// Passed on and not back yet.
    outstanding: u64,
    /// Until what is outstanding is back.
    held: VecDeque<T>,
}

/// What to do with a command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Route<T> {
    /// Run it here.
    Own(T),
    /// Pass it on. On a new loan, what the worker itself has decided for the domain has to be durable first, and its states
    /// given up.
    Lend { item: T, loan: u64, is_new: bool },
    /// It was kept, and comes out of [`Loans::returned`].
    Held,
}

impl<D, T> Default for Loans<D, T> {
    fn default() -> Self {
        Self { loans: HashMap::new(), made: 0 }
    }
}

impl<D, T> Loans<D, T> {
    /// `is_slow`: the domain belongs on the slow lane for now.
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

    /// A command that was passed on is done with: answered, or durable. Gives those that waited for it, to be routed anew.
    pub(super) fn returned(&mut self, domain: &Arc<D>) -> VecDeque<T> {
        let loan = self.loans.get_mut(&Arc::as_ptr(domain).addr()).expect("what comes back was lent");
        loan.outstanding -= 1;
        if loan.outstanding == 0 { std::mem::take(&mut loan.held) } else { VecDeque::new() }
    }

    /// Ends the loans of which nothing is under way: they would otherwise last until the domain's next command.
    pub(super) fn forget_quiet(&mut self) {
        self.loans.retain(|_, loan| loan.outstanding > 0);
    }

    /// Then every domain that is not slow runs here.
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
    fn a_good_domain_stays() {
        let mut loans = Loans::default();
        assert_eq!(loans.route(&Arc::new(()), !SLOW, 1), Route::Own(1));
        assert!(loans.is_empty() && loans.is_nothing_outstanding());
    }

    #[test]
    fn a_slow_one_is_lent_until_it_is_back() {
        let (mut loans, domain, other) = (Loans::default(), Arc::new("a"), Arc::new("b"));
        assert_eq!(loans.route(&domain, SLOW, 1), Route::Lend { item: 1, loan: 1, is_new: true });
        assert_eq!(loans.route(&domain, SLOW, 2), Route::Lend { item: 2, loan: 1, is_new: false });
        assert_eq!(loans.route(&other, !SLOW, 3), Route::Own(3));
        // It behaves again, but two of its commands are still over there.
        assert_eq!(loans.route(&domain, !SLOW, 4), Route::Held);
        assert!(loans.returned(&domain).is_empty());
        assert_eq!(loans.route(&domain, SLOW, 5), Route::Held, "not past the one that waits");
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
