//! The host is killed at a random moment of an import, again and again. No acknowledged row may be missing, no row may
//! be there twice, and in the end the views show the figures of the log.
//!
//! `POLDER_KILL_ROUNDS` sets the rounds, `POLDER_KILL_SEED` the seed; the real log is used if it is present.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use polder_tests::{Host, Random, polder, shared_data};
use serde_json::Value;
use tempfile::tempdir;

use super::count::Count;
use super::office_log::{OfficeLog, written};
use super::{import, tally};

const ROUNDS: u64 = 5;
const GENERATED_CASES: u64 = 400;

#[test]
fn a_killed_host_keeps_what_it_acknowledged() {
    let (rounds, seed) = (setting("POLDER_KILL_ROUNDS", ROUNDS), setting("POLDER_KILL_SEED", 1));
    println!("{rounds} rounds, seed {seed}");
    let folder = tempdir().unwrap();
    let log = shared_data("permits/receipt.csv")
        .unwrap_or_else(|| written(folder.path(), "log.csv", &OfficeLog::generated(seed, GENERATED_CASES).csv()));
    let wanted = Count::of_csv(&std::fs::read(&log).unwrap());
    let mut random = Random::seeded(seed);
    for round in 1..=rounds {
        let folder = tempdir().unwrap();
        // At least one row is acknowledged before the kill, and at least one is not.
        let acknowledged_min = 1 + random.below(wanted.rows() - 1);
        let kept = killed_and_finished(folder.path(), &log, acknowledged_min, &wanted);
        println!("round {round}: killed after {acknowledged_min} acknowledgements or a few more, {kept}");
    }
}

/// Returns a line that describes the round.
fn killed_and_finished(folder: &Path, log: &Path, acknowledged_min: u64, wanted: &Count) -> String {
    let (data, acks) = (folder.join("data"), folder.join("acks.ndjson"));
    let host = Host::start(&data);
    host.client().deploy("permits");

    // Kill after a number of acknowledgements: a moment of the import, regardless of the speed of the machine.
    let importing = std::thread::scope(|scope| {
        let address = host.address().to_owned();
        let acks = acks.to_str().unwrap();
        let importing = scope.spawn(move || {
            let map = super::map();
            let log = log.to_str().unwrap();
            let arguments = ["import", log, "--map", map.to_str().unwrap(), "--wait", "0", "--acks", acks, "--json"];
            polder(&[&arguments[..], &["--host", &address]].concat())
        });
        let client = host.client();
        let mut stream = client.request("GET", "/v1/main/events?follow=true").lines();
        for _ in 0..acknowledged_min {
            stream.next().expect("an event");
        }
        host.kill();
        importing.join().expect("the import ends")
    });
    let acknowledged = acknowledgements(&acks);
    // The report contains the answered rows, even if the rest could not be sent.
    let report: Value = serde_json::from_str(importing.stdout.lines().next().unwrap_or_default()).unwrap_or_default();
    assert_eq!(report["accepted"], acknowledged.len() as u64, "{importing}");

    let host = Host::start(&data);
    let events = host.client().get("/v1/main/events").lines();
    let kept = events.len() as u64;
    each_once(&events);
    let by_command: BTreeMap<&str, &Value> =
        events.iter().map(|event| (event["command_id"].as_str().expect("an id"), event)).collect();
    for ack in &acknowledged {
        let event = by_command.get(ack["command_id"].as_str().expect("an id"));
        let event = event.unwrap_or_else(|| panic!("acknowledged and lost: {ack}"));
        assert_eq!((&event["position"], &event["sequence"]), (&ack["position"], &ack["sequence"]), "{ack}");
    }

    let rows = wanted.rows();
    assert_eq!(tally(&import(&host, log, &[]).json()), (rows - kept, kept, 0));
    let events = host.client().get("/v1/main/events").lines();
    assert_eq!(events.len() as u64, rows);
    each_once(&events);
    Count::of_views(&host).must_equal(wanted);
    host.stop();
    polder(&["verify", "--data", data.to_str().unwrap(), "--json"]).json();
    format!("{} acknowledged, {kept} kept of {rows}", acknowledged.len())
}

/// Checks that positions have no gap, and that no row is there twice.
#[track_caller]
fn each_once(events: &[Value]) {
    let mut seen = BTreeMap::new();
    for (index, event) in events.iter().enumerate() {
        assert_eq!(event["position"], index as u64 + 1, "{event}");
        if let Some(before) = seen.insert(event["command_id"].as_str().expect("an id"), event) {
            panic!("twice: {before} and {event}");
        }
    }
}

fn acknowledgements(file: &PathBuf) -> Vec<Value> {
    let text = std::fs::read_to_string(file).expect("the acknowledgements can be read");
    text.lines().map(|line| serde_json::from_str(line).expect("an acknowledgement")).collect()
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |value| value.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}
