//! Ends the guest calls of other threads. A thread enters the scope of an [`Interrupt`]. When another thread sets the
//! interrupt, through a clone, the running guest call within that scope ends at the next tick of the watchdog, and so
//! does every later one.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

thread_local! {
    /// The scopes that the thread is in, innermost last.
    static SCOPES: RefCell<Vec<Interrupt>> = const { RefCell::new(Vec::new()) };
}

/// A flag that is set once and never cleared. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Ends the guest calls of every thread that is in a scope of this interrupt. Does not wait for their end.
    pub fn set(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Runs `work` on this thread. Guest calls within it end when this interrupt, or that of an outer scope, is set.
    pub fn scope<T>(&self, work: impl FnOnce() -> T) -> T {
        SCOPES.with_borrow_mut(|scopes| scopes.push(self.clone()));
        let _leaves = Leaves;
        work()
    }
}

/// Whether this thread is in the scope of an interrupt that is set. Long work of the host checks this between its
/// steps.
pub fn is_interrupted() -> bool {
    SCOPES.with_borrow(|scopes| scopes.iter().any(Interrupt::is_set))
}

/// Leaves the innermost scope on drop, also when the work panics.
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
