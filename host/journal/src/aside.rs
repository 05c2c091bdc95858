//! Queries the index for threads of low priority. The scheduler may suspend such a thread anywhere, for as long as the
//! machine is busy. If it held the index's lock then, the writer would wait for it, and all commands with the writer.
//! So a thread of normal priority, which does nothing else, takes the lock.

use std::io;
use std::sync::mpsc::{Sender, channel};

type Errand = Box<dyn FnOnce() + Send>;

/// A handle to the thread that runs the queries. The thread ends when the handle is dropped.
pub(crate) struct Aside(Sender<Errand>);

impl Aside {
    pub(crate) fn start() -> io::Result<Self> {
        let (to, errands) = channel::<Errand>();
        let run = move || errands.into_iter().for_each(|errand| errand());
        std::thread::Builder::new().name("index-reader".to_owned()).spawn(run)?;
        Ok(Self(to))
    }

    /// Runs `work` on the thread, and blocks until it is done.
    ///
    /// # Panics
    /// Panics if `work` does.
    pub(crate) fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let (done, answer) = channel();
        let errand = move || {
            // The send succeeds: the caller waits for the answer below.
            drop(done.send(work()));
        };
        // If earlier work has panicked, this send fails, and so does the receive below.
        drop(self.0.send(Box::new(errand)));
        answer.recv().expect("what was looked up aside has panicked: see the log")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_work_is_done_by_another_thread_with_an_answer_for_each_caller() {
        let aside = Aside::start().unwrap();
        let here = std::thread::current().id();
        std::thread::scope(|scope| {
            for number in 0..8 {
                let aside = &aside;
                scope.spawn(move || {
                    for round in 0..100 {
                        let (thread, answer) = aside.run(move || (std::thread::current().id(), number * 1_000 + round));
                        assert!(thread != here && answer == number * 1_000 + round);
                    }
                });
            }
        });
    }
}
