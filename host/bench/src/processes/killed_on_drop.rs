//! A child process that does not outlive the measurement that started it.

use std::process::Child;

/// A child process that is killed with SIGKILL when this value is dropped.
pub(crate) struct KilledOnDrop(pub(crate) Child);

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        // Both fail only if the process has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
