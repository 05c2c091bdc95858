//! tephra, embedded: each event is appended and synced before the call returns; one thread per caller, as in its own
//! benchmarks. It commits in groups by itself: one sync for all events that arrived meanwhile.
#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use clap::Parser;
use peers_common::{Kind, Load, Options, Report, Span, by_threads, end, locked_version};
use serde_json::json;
use tephra::{Event, EventType, SegmentConfig, SegmentSet, Tag, Tags, WriteCoordinator, WriteHandle, WriterConfig};

/// As in its own benchmarks: so large that a run rarely waits for a new segment.
const SEGMENT_BYTES: usize = 1024 * 1024 * 1024;
/// The number of callers that draft the orders before the clock starts.
const PREPARING: usize = 64;

/// Append events with tephra.
#[derive(Parser)]
struct Peer {
    #[command(flatten)]
    options: Options,
}

fn main() -> ExitCode {
    end(run_all())
}

fn run_all() -> Result<()> {
    let options = Peer::parse().options;
    let folder = options.folder()?;
    let writer = WriterConfig::default();
    let segments = SegmentSet::open(folder.path(), SegmentConfig::new(SEGMENT_BYTES))?;
    let (coordinator, handle) = WriteCoordinator::start(segments, writer)?;
    let load = Load::new(options.aggregates);
    by_threads(&load, PREPARING, Span::Round, |step| append(&handle, &step))?;
    let mut runs = Vec::new();
    for &in_flight in &options.in_flight {
        let end = Span::Until(Instant::now() + options.run_time());
        runs.push(by_threads(&load, in_flight, end, |step| append(&handle, &step))?);
    }
    coordinator.shutdown();
    let settings = json!({
        "callers": "threads",
        "segment_bytes": SEGMENT_BYTES,
        "max_batch_records": writer.max_batch_records,
        "max_batch_bytes": writer.max_batch_bytes,
        "append_condition": null,
        "sync": "fdatasync before every answer, one for all that came meanwhile",
    });
    Report { system: "tephra", version: locked_version("tephra"), kind: Kind::Append, settings, runs }.print()
}

fn append(handle: &WriteHandle, step: &peers_common::Step) -> Result<usize> {
    let (name, payload) = step.event();
    let tags = Tags::new([Tag::new(format!("order:{}", step.id))?])?;
    let event = Event::new(&EventType::new(name)?, &tags, payload.as_bytes())?;
    handle.append(vec![event], None)?;
    Ok(0)
}
