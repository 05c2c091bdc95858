//! Sends rows side by side. Each aggregate belongs to one lane, and a lane sends one command at a time: so rows of one aggregate
//! arrive in the file's order, and those of different ones do not wait for each other.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use polder_core::AggregateId;
use polder_import::{PlannedCommand, Refusal, Report, Step};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::client::Client;
use crate::failure::Failure;
use crate::import::acks::Acks;
use crate::import::delivery::{Delivered, deliver, rejection};
use crate::import::progress::Bar;

/// Rows that wait in one lane. Rows of one aggregate often stand together in a file: with room for them the other lanes stay busy.
const ROWS_PER_LANE: usize = 64;
/// Results on their way to the report.
const RESULTS_WAITING: usize = 1_024;

pub(crate) struct Lanes {
    pub(crate) count: usize,
    /// How long one command is tried.
    pub(crate) patience: Duration,
}

enum Row {
    Sent { line: u64, delivered: Delivered },
    Unreadable { line: u64, refusal: Refusal },
}

impl Lanes {
    /// Gives the report of what was answered, and why it ended early if it did.
    pub(crate) async fn send_all(
        self,
        client: Client,
        rows: polder_import::Import,
        acks: Option<Acks>,
        bar: &Bar,
    ) -> Result<(Report, Option<Failure>), Failure> {
        let client = Arc::new(client);
        let (results, received) = mpsc::channel(RESULTS_WAITING);
        let mut tasks = JoinSet::new();
        let mut lanes = Vec::with_capacity(self.count);
        for _ in 0..self.count {
            let (lane, queue) = mpsc::channel(ROWS_PER_LANE);
            lanes.push(lane);
            tasks.spawn(drive(queue, Arc::clone(&client), self.patience, results.clone()));
        }
        let reading = tokio::task::spawn_blocking(move || hand_out(rows, &lanes, &results));

        let report = collect(received, acks, bar).await?;
        let mut stopped = None;
        while let Some(driven) = tasks.join_next().await {
            stopped = stopped.or(driven?.err());
        }
        let read = reading.await?;
        Ok((report, stopped.or(read.err().map(Failure::from))))
    }
}

/// Reads the file to its end, or until no lane takes rows any more.
fn hand_out(
    rows: polder_import::Import,
    lanes: &[mpsc::Sender<PlannedCommand>],
    results: &mpsc::Sender<Row>,
) -> Result<(), polder_import::ReadError> {
    for step in rows {
        let taken = match step? {
            Step::Command(command) => lanes[lane_of(&command.aggregate_id, lanes.len())].blocking_send(command).is_ok(),
            Step::Refused { line, refusal } => results.blocking_send(Row::Unreadable { line, refusal }).is_ok(),
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
    mut queue: mpsc::Receiver<PlannedCommand>,
    client: Arc<Client>,
    patience: Duration,
    results: mpsc::Sender<Row>,
) -> Result<(), Failure> {
    while let Some(command) = queue.recv().await {
        let delivered = deliver(&client, &command, patience).await?;
        if results.send(Row::Sent { line: command.line, delivered }).await.is_err() {
            break;
        }
    }
    Ok(())
}

async fn collect(mut received: mpsc::Receiver<Row>, mut acks: Option<Acks>, bar: &Bar) -> Result<Report, Failure> {
    let mut report = Report::default();
    while let Some(row) = received.recv().await {
        match row {
            Row::Unreadable { line, refusal } | Row::Sent { line, delivered: Delivered::Refused(refusal) } => {
                report.refused(line, &refusal)
            }
            Row::Sent { line, delivered: Delivered::Acknowledged(acknowledgement) } => {
                if let Some(acks) = &mut acks {
                    acks.write(line, &acknowledgement, received.is_empty())?;
                }
                match rejection(&acknowledgement) {
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
