//! Prints events while they happen: a second reader of the host, beside the sender of the commands.

use std::io::BufRead;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context, Result};

use super::polder::{Host, Polder, Running};
use super::stage::Stage;

/// The longest wait for an event. It normally arrives within milliseconds of its acknowledgement; after this time it is
/// missing.
const EVENT_WAIT_MAX: Duration = Duration::from_secs(10);

pub(super) struct Follower {
    _process: Running,
    lines: Receiver<String>,
    /// The position of the last printed event.
    seen: u64,
}

impl Follower {
    pub(super) fn start(polder: &Polder, host: &Host, words: &[&str]) -> Result<Self> {
        let (process, stdout) = polder.start(host, words)?;
        let (sender, lines) = channel();
        // The thread ends when the process ends, because that closes the pipe.
        std::thread::spawn(move || {
            stdout.lines().map_while(Result::ok).take_while(|line| sender.send(line.clone()).is_ok()).count();
        });
        Ok(Self { _process: process, lines, seen: 0 })
    }

    /// Prints every event up to `position`.
    pub(super) fn show_up_to(&mut self, position: u64, stage: &Stage) -> Result<()> {
        while self.seen < position {
            let line = self
                .lines
                .recv_timeout(EVENT_WAIT_MAX)
                .with_context(|| format!("the event at position {position} was acknowledged but cannot be read"))?;
            let line = line.trim_start();
            let first = line.split_whitespace().next().and_then(|word| word.parse().ok());
            self.seen = first.with_context(|| format!("an event begins with its position, this does not: {line}"))?;
            stage.aside(line);
        }
        Ok(())
    }
}
