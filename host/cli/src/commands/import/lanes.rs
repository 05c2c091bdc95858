//! Sends rows in parallel. Each aggregate belongs to one lane, and a lane sends one batch at a time. So rows of one
//! aggregate are decided in the order of the file, and lanes do not wait for each other.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use polder_core::AggregateId;
use polder_import::{PlannedCommand, Report, Step};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;

use super::acks::Acks;
use super::batch::{Delivered, Row, rejection};
use super::delivery::Delivery;
use super::progress::Bar;
use crate::failure::Failure;

/// Lanes, and so batches in flight at a time.
const LANES_MAX: usize = 4;
/// Rows that were read and are not decided yet, in bytes of their payloads.
const ROW_BYTES_WAITING_MAX: usize = 32 * 1024 * 1024;
/// Results that may wait for the report.
const RESULTS_WAITING: usize = 1_024;

pub(crate) struct Lanes {
    /// Commands that may be sent and not answered yet.
    pub(crate) in_flight: usize,
    pub(crate) delivery: Delivery,
}

/// A command, and its share of `ROW_BYTES_WAITING_MAX`.
type Waiting = (PlannedCommand, OwnedSemaphorePermit);

impl Lanes {
    /// Returns the report of all answered rows, and the reason why the import stopped early, if it did.
    pub(crate) async fn send_all(
        self,
        rows: polder_import::Import,
        acks: Option<Acks>,
        bar: &Bar,
    ) -> Result<(Report, Option<Failure>), Failure> {
        let delivery = Arc::new(self.delivery);
        let (results, received) = mpsc::channel(RESULTS_WAITING);
        let mut tasks = JoinSet::new();
        let mut lanes = Vec::new();
        let lane_count = self.in_flight.min(LANES_MAX);
        let batch = self.in_flight / lane_count;
        for _ in 0..lane_count {
            // The queue has room for the next batch, so that it is ready when the one before is decided.
            let (lane, queue) = mpsc::channel(batch);
            lanes.push(lane);
            tasks.spawn(drive(queue, batch, Arc::clone(&delivery), results.clone()));
        }
        let room = Arc::new(Semaphore::new(ROW_BYTES_WAITING_MAX));
        let handle = Handle::current();
        let reading = tokio::task::spawn_blocking(move || distribute(rows, &lanes, &results, &room, &handle));

        let report = collect(received, acks, bar).await?;
        let mut stopped = None;
        while let Some(driven) = tasks.join_next().await {
            stopped = stopped.or(driven?.err());
        }
        let read = reading.await?;
        Ok((report, stopped.or(read.err().map(Failure::from))))
    }
}

/// Reads the file to its end, or until a lane takes no more rows.
fn distribute(
    rows: polder_import::Import,
    lanes: &[mpsc::Sender<Waiting>],
    results: &mpsc::Sender<Row>,
    room: &Arc<Semaphore>,
    handle: &Handle,
) -> Result<(), polder_import::ReadError> {
    for step in rows {
        let taken = match step? {
            Step::Command(command) => {
                let bytes = command.payload.len().clamp(1, ROW_BYTES_WAITING_MAX) as u32;
                let permit = handle.block_on(Arc::clone(room).acquire_many_owned(bytes));
                let lane = &lanes[lane_of(&command.aggregate_id, lanes.len())];
                permit.is_ok_and(|permit| lane.blocking_send((command, permit)).is_ok())
            }
            Step::Refused { line, refusal } => results.blocking_send(Row::Unreadable { line, refusal }).is_ok(),
            Step::Skipped => results.blocking_send(Row::Skipped).is_ok(),
        };
        if !taken {
            break;
        }
    }
    Ok(())
}

fn lane_of(id: &AggregateId, count: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    (hasher.finish() % count as u64) as usize
}

async fn drive(
    mut queue: mpsc::Receiver<Waiting>,
    batch: usize,
    delivery: Arc<Delivery>,
    results: mpsc::Sender<Row>,
) -> Result<(), Failure> {
    let mut waiting = Vec::new();
    while queue.recv_many(&mut waiting, batch).await > 0 {
        let (commands, permits): (Vec<_>, Vec<_>) = waiting.drain(..).unzip();
        delivery.deliver(commands, &results).await?;
        drop(permits);
    }
    Ok(())
}

async fn collect(mut received: mpsc::Receiver<Row>, mut acks: Option<Acks>, bar: &Bar) -> Result<Report, Failure> {
    let mut report = Report::default();
    while let Some(row) = received.recv().await {
        match row {
            Row::Skipped => report.skipped(),
            Row::Unreadable { line, refusal } | Row::Sent { line, delivered: Delivered::Refused(refusal) } => {
                report.refused(line, &refusal);
            }
            Row::Sent { line, delivered: Delivered::RefusedBefore(refusal) } => report.refused_before(line, &refusal),
            Row::Sent { line, delivered: Delivered::Acknowledged(acknowledgement) } => {
                if let Some(acks) = &mut acks {
                    acks.write(line, &acknowledgement, received.is_empty())?;
                }
                match rejection(&acknowledgement) {
                    Some(refusal) if acknowledgement.repeated => report.refused_before(line, &refusal),
                    Some(refusal) => report.refused(line, &refusal),
                    None if acknowledgement.repeated => report.already_handled(),
                    None => report.accepted(),
                }
            }
        }
        bar.show(&report);
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aggregate_keeps_its_lane_and_lanes_share_the_work() {
        let id = |number: u32| format!("case-{number}").parse::<AggregateId>().unwrap();
        let lanes: std::collections::BTreeSet<usize> = (0..1_000).map(|number| lane_of(&id(number), 16)).collect();
        assert_eq!(lanes.len(), 16);
        assert_eq!(lane_of(&id(7), 16), lane_of(&id(7), 16));
    }
}
