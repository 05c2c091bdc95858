//! The command line with a running host: its output for people and for programs, and its exit codes.

mod commands;
mod follow;
mod hosts;
mod journals;
mod parked;
mod questions;
mod watch;

use polder_tests::Host;
use tempfile::TempDir;

/// A host with `orders` on it.
struct Desk {
    host: Host,
    folder: TempDir,
}

impl Desk {
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let host = Host::start(&folder.path().join("data"));
        host.client().deploy("orders");
        Self { host, folder }
    }

    /// The data folder, as an argument.
    fn data(&self) -> String {
        self.folder.path().join("data").to_str().expect("UTF-8").to_owned()
    }

    #[track_caller]
    fn send(&self, id: &str, command: &str, payload: &str) -> String {
        self.host.polder(&["send", &format!("orders/order/{id}"), command, payload]).good().to_owned()
    }
}
