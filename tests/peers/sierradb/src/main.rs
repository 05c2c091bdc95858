//! SierraDB, embedded: each event is appended to the stream of its order; the call returns when its bucket has been
//! synced. There are two configurations, because the faster one depends on the number of callers: the default settings,
//! which collect events for up to five milliseconds, and a sync for every append.
#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Result;
use clap::Parser;
use peers_common::{Kind, Load, Options, Report, Run, Span, Step, by_tasks, end, locked_version};
use serde_json::json;
use sierradb::StreamId;
use sierradb::database::{Database, DatabaseBuilder, ExpectedVersion, NewEvent, Transaction};
use sierradb::id::{NAMESPACE_PARTITION_KEY, uuid_to_partition_hash, uuid_v7_with_partition_hash};
use smallvec::smallvec;
use uuid::Uuid;

/// The number of callers that draft the orders before the clock starts.
const PREPARING: usize = 256;

/// Append events with SierraDB.
#[derive(Parser)]
struct Peer {
    #[command(flatten)]
    options: Options,
}

#[tokio::main]
async fn main() -> ExitCode {
    end(run_all().await)
}

async fn run_all() -> Result<()> {
    let options = Peer::parse().options;
    for (sync, set) in [
        ("of a bucket when 4,096 bytes or 50 events wait, or the last is 5 ms ago: as it comes", None),
        ("of a bucket after every append", Some(Duration::ZERO)),
    ] {
        let folder = options.folder()?;
        let mut builder = DatabaseBuilder::new();
        if let Some(interval) = set {
            builder.sync_interval(interval);
        }
        let database = builder.open(folder.path())?;
        let runs = run(&options, &database).await?;
        let settings = json!({
            "callers": "tasks",
            "buckets_and_writer_threads": database.total_buckets(),
            "segment_bytes": 256 * 1024 * 1024,
            "compression": true,
            "sync": sync,
        });
        database.shutdown().await;
        Report { system: "SierraDB", version: locked_version("sierradb"), kind: Kind::Append, settings, runs }
            .print()?;
    }
    Ok(())
}

async fn run(options: &Options, database: &Database) -> Result<Vec<Run>> {
    let work = {
        let database = database.clone();
        move |step| append(database.clone(), step)
    };
    let load = Arc::new(Load::new(options.aggregates));
    by_tasks(&load, PREPARING, Span::Round, work.clone()).await?;
    let mut runs = Vec::new();
    for &in_flight in &options.in_flight {
        let end = Span::Until(Instant::now() + options.run_time());
        runs.push(by_tasks(&load, in_flight, end, work.clone()).await?);
    }
    Ok(runs)
}

async fn append(database: Database, step: Step) -> Result<usize> {
    let (name, payload) = step.event();
    let key = Uuid::new_v5(&NAMESPACE_PARTITION_KEY, step.id.as_bytes());
    let hash = uuid_to_partition_hash(key);
    let event = NewEvent {
        event_id: uuid_v7_with_partition_hash(hash),
        stream_id: StreamId::new(step.id)?,
        stream_version: ExpectedVersion::Any,
        event_name: name.to_owned(),
        timestamp: u64::try_from(SystemTime::UNIX_EPOCH.elapsed()?.as_nanos())?,
        metadata: Vec::new(),
        payload: payload.as_bytes().to_vec(),
    };
    database.append_events(Transaction::new(key, hash, smallvec![event])?).await?;
    Ok(0)
}
