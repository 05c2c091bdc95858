//! Threads that give way to those that answer callers: for publishing, which nobody waits for as they wait for a command.

use std::io;

use tokio::runtime::{Builder, Handle, Runtime};

/// A "nice" value: about a tenth of what a busy thread beside gets, and all that is left where none is busy.
const NICENESS: i32 = 10;

pub struct Background {
    /// Taken when this is dropped.
    runtime: Option<Runtime>,
}

impl Background {
    pub fn start(name: &str) -> io::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1).thread_name(name).on_thread_start(stand_back).enable_all();
        Ok(Self { runtime: Some(builder.build()?) })
    }

    pub fn handle(&self) -> &Handle {
        self.runtime.as_ref().expect("it is there until it is dropped").handle()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // Whoever drops this may be on a runtime's thread, which must not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn stand_back() {
    // Linux counts niceness by thread; "no process" is the caller.
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::warn!(%error, "the system does not let publishing stand back behind commands");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_threads_stand_back_and_others_do_not() {
        let background = Background::start("tested").unwrap();
        let niceness = || rustix::process::getpriority_process(None).unwrap();
        let before = niceness();
        let (sender, receiver) = std::sync::mpsc::channel();
        let blocking = sender.clone();
        background.handle().spawn(async move { sender.send(niceness()).unwrap() });
        background.handle().spawn_blocking(move || blocking.send(niceness()).unwrap());
        assert_eq!((receiver.recv().unwrap(), receiver.recv().unwrap()), (NICENESS, NICENESS));
        assert_eq!(niceness(), before);
    }
}
