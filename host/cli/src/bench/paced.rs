//! Commands at a steady rate, whether those before have their answers or not. A late answer counts from when its command was due: a host
//! that stands still for a moment is late for all that came meanwhile, not for one.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use polder_core::CommandStatus;
use tokio::runtime::Runtime;

use super::load::Load;

/// What became of one command.
pub(super) struct Answered {
    pub(super) order: usize,
    /// Counted from the beginning.
    pub(super) due: Duration,
    /// From when it was due.
    pub(super) took: Duration,
    /// Its order's sequence afterwards, or why it was not accepted.
    pub(super) outcome: Result<u64, String>,
}

/// Commands on their way and those that have their answers, since it began.
pub(super) struct Paced {
    pub(super) began: Instant,
    answered: Arc<Mutex<Vec<Answered>>>,
}

impl Paced {
    /// For about so many commands. Their memory is used once before the clock starts: where the system has none at hand it takes milliseconds,
    /// which would count as the host's.
    pub(super) fn begin(expected: usize) -> Self {
        let nothing = || Answered { order: 0, due: Duration::ZERO, took: Duration::ZERO, outcome: Ok(0) };
        let mut answered: Vec<_> = std::iter::repeat_with(nothing).take(expected).collect();
        answered.clear();
        Self { began: Instant::now(), answered: Arc::new(Mutex::new(answered)) }
    }

    /// Sends until `is_over`, which is asked with how many were sent, then waits for what is still on its way. `runtime` has one thread, so
    /// that commands go out in the order they were made.
    pub(super) fn send(
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
        // Nothing is ever sent: it ends when the last is back.
        let _ = all_back.recv();
        Ok(std::mem::take(&mut *lock(&self.answered)))
    }
}

fn lock(answered: &Mutex<Vec<Answered>>) -> MutexGuard<'_, Vec<Answered>> {
    answered.lock().unwrap_or_else(PoisonError::into_inner)
}
