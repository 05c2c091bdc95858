//! Threads with a low priority, for publishing: no client waits for it as for a command's acknowledgement.

use std::io;

use tokio::runtime::{Builder, Handle, Runtime};

/// The threads' "nice" value. Beside a busy thread they get about a tenth of its time, and an idle processor in full.
const NICENESS: i32 = 10;

pub struct Background {
    /// The runtime with the threads. `None` only while it is dropped.
    runtime: Option<Runtime>,
}

impl Background {
    pub fn start(name: &str) -> io::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1).thread_name(name).on_thread_start(lower_priority).enable_all();
        Ok(Self { runtime: Some(builder.build()?) })
    }

    pub fn handle(&self) -> &Handle {
        self.runtime.as_ref().expect("the runtime exists until the drop").handle()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // This may run on a runtime's thread, which must not block.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn lower_priority() {
    // Linux keeps niceness by thread; `None` is the calling thread.
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::warn!(%error, "the system does not allow a lower priority for publishing");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_threads_have_a_low_priority_and_others_do_not() {
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
