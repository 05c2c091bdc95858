//! Looks things up for threads that give way to all others. Such a thread may be stopped anywhere, for as long as the machine is busy; if it held
//! the index's lock then, the writer would wait for it, and all commands with the writer. So the lock is taken by a thread of ordinary
//! priority, which does nothing else.

use std::io;
use std::sync::mpsc::{Sender, channel};

type Errand = Box<dyn FnOnce() + Send>;

/// The thread ends with it.
pub(crate) struct Aside(Sender<Errand>);

impl Aside {
    pub(crate) fn start() -> io::Result<Self> {
        let (to, errands) = channel::<Errand>();
        let run = move || errands.into_iter().for_each(|errand| errand());
        std::thread::Builder::new().name("index-reader".to_owned()).spawn(run)?;
        Ok(Self(to))
    }

    /// Runs the work on the thread, and blocks until it is done.
    ///
    /// # Panics
    /// When the work does.
    pub(crate) fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let (done, answer) = channel();
        let errand = move || {
            // The caller waits below.
            drop(done.send(work()));
        };
        // Fails as the answer does, when earlier work has panicked.
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
