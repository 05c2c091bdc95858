//! Commands at a steady rate, whether those before have their answers or not. A late answer counts from when its command was due: a host
//! that stands still for a moment is late for all that came meanwhile, not for one.

use std::sync::mpsc::channel;
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

/// Sends until `is_over`, which is asked with how many were sent, then waits for what is still on its way. `runtime` has one thread, so
/// that commands go out in the order they were made.
pub(super) fn send(
    load: &Load,
    runtime: &Runtime,
    rate_per_second: usize,
    began: Instant,
    mut is_over: impl FnMut(usize) -> bool,
) -> anyhow::Result<Vec<Answered>> {
    let (told, answers) = channel();
    let interval_ns = 1e9 / rate_per_second as f64;
    let mut sent = 0;
    while !is_over(sent) {
        let (order, command) = load.orders.next()?;
        let due = Duration::from_nanos((interval_ns * sent as f64) as u64);
        std::thread::sleep(due.saturating_sub(began.elapsed()));
        let (host, told) = (load.host.clone(), told.clone());
        runtime.spawn(async move {
            let outcome = match host.submit(command).await {
                Ok(ack) if ack.status == CommandStatus::Accepted => Ok(ack.sequence.0),
                Ok(ack) => Err(format!("{:?}: {:?}", ack.status, ack.reason)),
                Err(error) => Err(error.to_string()),
            };
            // Fails only when the bench is over.
            drop(told.send(Answered { order, due, took: began.elapsed() - due, outcome }));
        });
        sent += 1;
    }
    drop(told);
    Ok(answers.into_iter().collect())
}
