//! Ends the guest calls of other threads. A thread enters the scope of an [`Interrupt`]; whoever holds a clone of it ends the guest call
//! that the thread has under way, and every later one within the scope, at the next tick of the watchdog.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

thread_local! {
    /// The scopes that the thread is in, the innermost last.
    static SCOPES: RefCell<Vec<Interrupt>> = const { RefCell::new(Vec::new()) };
}

/// Set once and never taken back. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Ends the guest calls of every thread that is in a scope of this interrupt. Returns at once.
    pub fn set(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Runs `work` on this thread; guest calls within it end when the interrupt, or that of an outer scope, is set.
    pub fn scope<T>(&self, work: impl FnOnce() -> T) -> T {
        SCOPES.with_borrow_mut(|scopes| scopes.push(self.clone()));
        let _leaves = Leaves;
        work()
    }
}

/// Whether an interrupt is set whose scope this thread is in. Long work of the host's own asks between its steps.
pub fn is_interrupted() -> bool {
    SCOPES.with_borrow(|scopes| scopes.iter().any(Interrupt::is_set))
}

/// Leaves the innermost scope, also when the work panics.
struct Leaves;

impl Drop for Leaves {
    fn drop(&mut self) {
        SCOPES.with_borrow_mut(Vec::pop);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_interrupted_within_a_scope_and_not_outside() {
        let (outer, inner) = (Interrupt::default(), Interrupt::default());
        outer.scope(|| {
            assert!(!is_interrupted());
            inner.scope(|| outer.set());
            assert!(is_interrupted());
        });
        assert!(!is_interrupted());
        drop(std::panic::catch_unwind(|| outer.scope(|| panic!("on purpose"))));
        assert!(!is_interrupted(), "the scope was left by a panic");
        std::thread::spawn(|| assert!(!is_interrupted())).join().unwrap();
    }
}
