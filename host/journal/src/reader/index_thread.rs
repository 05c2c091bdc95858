//! Queries the index for threads of low priority. The scheduler may suspend such a thread anywhere, for as long as the
//! machine is busy. If it held the index's lock then, the writer would wait for it, and all commands with the writer.
//! So a thread of normal priority, which does nothing else, takes the lock.

use std::io;
use std::sync::mpsc::{Sender, channel};

type Query = Box<dyn FnOnce() + Send>;

/// A handle to the thread that runs the queries. The thread ends when the handle is dropped.
pub(crate) struct IndexThread(Sender<Query>);

impl IndexThread {
    pub(crate) fn start() -> io::Result<Self> {
        let (to, queries) = channel::<Query>();
        let run = move || queries.into_iter().for_each(|query| query());
        std::thread::Builder::new().name("index-reader".to_owned()).spawn(run)?;
        Ok(Self(to))
    }

    /// Runs `work` on the thread, and blocks until it is done.
    ///
    /// # Panics
    /// Panics if `work` does.
    pub(crate) fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let (done, answer) = channel();
        let query = move || {
            // The send succeeds: the caller waits for the answer below.
            drop(done.send(work()));
        };
        // If earlier work has panicked, this send fails, and so does the receive below.
        drop(self.0.send(Box::new(query)));
        answer.recv().expect("a query of the index has panicked: see the log")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_work_is_done_by_another_thread_with_an_answer_for_each_caller() {
        let index_thread = IndexThread::start().unwrap();
        let here = std::thread::current().id();
        std::thread::scope(|scope| {
            for number in 0..8 {
                let index_thread = &index_thread;
                scope.spawn(move || {
                    for round in 0..100 {
                        let (thread, answer) =
                            index_thread.run(move || (std::thread::current().id(), number * 1_000 + round));
                        assert!(thread != here && answer == number * 1_000 + round);
                    }
                });
            }
        });
    }
}
