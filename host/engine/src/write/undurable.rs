//! Batches that a worker has passed to the appender and that are not durable yet. Until then they cannot be read from
//! the journal.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use polder_journal::CommandKey;

use super::batch::Repeatable;

/// The number of a worker's last durable batch. Batches count from 1.
#[derive(Clone, Default)]
pub(super) struct Progress(Arc<AtomicU64>);

impl Progress {
    pub(super) fn reached(&self, batch: u64) {
        self.0.fetch_max(batch, Ordering::Release);
    }

    pub(super) fn durable(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

#[derive(Default)]
pub(super) struct Undurable {
    progress: Progress,
    batches: VecDeque<HandedOver>,
    bytes: usize,
}

struct HandedOver {
    number: u64,
    repeatable: Repeatable,
    bytes: usize,
}

impl Undurable {
    /// Shared with the appender's callback, which reports durable batches to it.
    pub(super) fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// The last durable batch. All batches before it are durable too.
    pub(super) fn durable(&self) -> u64 {
        self.progress.durable()
    }

    pub(super) fn push(&mut self, number: u64, repeatable: Repeatable, bytes: usize) {
        self.forget_durable();
        self.bytes += bytes;
        self.batches.push_back(HandedOver { number, repeatable, bytes });
    }

    /// Whether the command was decided here and may not be in the journal yet.
    pub(super) fn holds(&mut self, command: &CommandKey) -> bool {
        self.forget_durable();
        self.batches.iter().any(|batch| batch.repeatable.contains(command))
    }

    pub(super) fn is_empty(&mut self) -> bool {
        self.forget_durable();
        self.batches.is_empty()
    }

    /// Size of the records in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets all batches. Call it only when the appender has answered for all of them.
    pub(super) fn forget_all(&mut self) {
        self.batches.clear();
        self.bytes = 0;
    }

    fn forget_durable(&mut self) {
        let durable = self.durable();
        while let Some(batch) = self.batches.pop_front_if(|batch| batch.number <= durable) {
            self.bytes -= batch.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durable_batches_are_forgotten() {
        let mut undurable = Undurable::default();
        let [first, second] = [1, 2].map(|number| CommandKey([number; 16]));
        undurable.push(1, [first].into_iter().collect(), 10);
        undurable.push(2, [second].into_iter().collect(), 20);
        assert!(undurable.holds(&first) && undurable.holds(&second) && !undurable.is_empty());
        undurable.progress().reached(1);
        assert!(!undurable.holds(&first) && undurable.holds(&second));
        assert_eq!((undurable.bytes(), undurable.durable()), (20, 1));
        undurable.progress().reached(2);
        // The appender may report the later of two batches first.
        undurable.progress().reached(1);
        assert!(undurable.is_empty());
        assert_eq!((undurable.bytes(), undurable.durable()), (0, 2));
    }
}
