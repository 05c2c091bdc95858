//! Sends commands at a steady rate, whether earlier ones are answered or not. Latency counts from the time when a
//! command was due. So a host that stops for a moment is late for every command that was due meanwhile, not for one.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use polder_core::CommandStatus;
use tokio::runtime::Runtime;

use crate::load::Load;

/// Outcome of one command.
pub(crate) struct Answered {
    pub(crate) order: usize,
    /// Time when the command was due, counted from the beginning.
    pub(crate) due: Duration,
    /// Time from when the command was due to its answer.
    pub(crate) took: Duration,
    /// The order's sequence after the command, or the reason why the command was not accepted.
    pub(crate) outcome: Result<u64, String>,
}

/// A run of commands: those in flight, and those that are answered.
pub(crate) struct Paced {
    pub(crate) began: Instant,
    answered: Arc<Mutex<Vec<Answered>>>,
}

impl Paced {
    /// Prepares for about this many commands. Their memory is touched once before the clock starts: to get it from the
    /// system can take milliseconds, which would count as the host's.
    pub(crate) fn begin(expected: usize) -> Self {
        let nothing = || Answered { order: 0, due: Duration::ZERO, took: Duration::ZERO, outcome: Ok(0) };
        let mut answered: Vec<_> = std::iter::repeat_with(nothing).take(expected).collect();
        answered.clear();
        Self { began: Instant::now(), answered: Arc::new(Mutex::new(answered)) }
    }

    /// Sends until `is_over` returns true, which gets the number of commands sent. Then waits for the answers.
    /// `runtime` must have one thread, so that commands are sent in the order they were made.
    pub(crate) fn send(
        self,
        load: &Load,
        runtime: &Runtime,
        rate_per_second: usize,
        mut is_over: impl FnMut(usize) -> bool,
    ) -> anyhow::Result<Vec<Answered>> {
        let began = self.began;
        let (on_its_way, all_back) = channel::<()>();
        let interval_ns = 1e9 / rate_per_second as f64;
        let mut sent = 0;
        while !is_over(sent) {
            let (order, command) = load.orders.next()?;
            let due = Duration::from_nanos((interval_ns * sent as f64) as u64);
            std::thread::sleep(due.saturating_sub(began.elapsed()));
            let (host, answered, on_its_way) = (load.host.clone(), Arc::clone(&self.answered), on_its_way.clone());
            runtime.spawn(async move {
                let outcome = match host.submit(command).await {
                    Ok(ack) if ack.status == CommandStatus::Accepted => Ok(ack.sequence.0),
                    Ok(ack) => Err(format!("{:?}: {:?}", ack.status, ack.reason)),
                    Err(error) => Err(error.to_string()),
                };
                let took = began.elapsed() - due;
                lock(&answered).push(Answered { order, due, took, outcome });
                drop(on_its_way);
            });
            sent += 1;
        }
        drop(on_its_way);
        // No message is ever sent: this returns when the last sender is dropped.
        let _ = all_back.recv();
        Ok(std::mem::take(&mut *lock(&self.answered)))
    }
}

fn lock(answered: &Mutex<Vec<Answered>>) -> MutexGuard<'_, Vec<Answered>> {
    answered.lock().unwrap_or_else(PoisonError::into_inner)
}
