//! Guests that write notes as fast as they can. The log grows by a bounded number of bytes per second for each tenant
//! and for all tenants together, and no note looks like a line of the host.

use std::thread;
use std::time::{Duration, Instant};

use polder_engine::{NOTE_LOG_BYTES_PER_SECOND_IN_ALL_MAX, NOTE_LOG_BYTES_PER_SECOND_MAX};
use polder_tests::Host;

use super::guests::good;

/// Together they may log more than all tenants may.
const TENANTS: u64 = 6;
const FLOOD: Duration = Duration::from_secs(4);
/// Seconds of logging that a tenant, and all tenants together, have at once.
const BURST_SECONDS: u64 = 4;

/// The most bytes after this time at this rate. A line of the log has a few more bytes than are counted for it.
fn bytes_max(rate: u64, elapsed: Duration) -> usize {
    (rate * (BURST_SECONDS + elapsed.as_secs() + 1) * 5 / 4) as usize
}

#[test]
fn a_flood_of_notes_fills_the_log_at_a_bounded_rate() {
    let _alone = polder_tests::heavy();
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(&folder.path().join("data"));
    let tenants: Vec<String> = (0..TENANTS).map(|number| format!("t{number}")).collect();
    for tenant in &tenants {
        host.client().put(&format!("/v1/tenants/{tenant}"), "").json(201);
        host.client().put(&format!("/v1/{tenant}/domains/rogue"), good("rogue")).json(200);
    }
    let (bytes_before, began) = (host.log().len(), Instant::now());
    thread::scope(|scope| {
        for tenant in &tenants {
            let client = host.client();
            scope.spawn(move || {
                while began.elapsed() < FLOOD {
                    client.post(&format!("/v1/{tenant}/rogue/thing/t-1/note-flood"), "{}").json(200);
                }
            });
        }
    });
    let elapsed = began.elapsed();
    let log = host.log();
    let flood = &log[bytes_before..];
    assert!(flood.len() < bytes_max(NOTE_LOG_BYTES_PER_SECOND_IN_ALL_MAX, elapsed), "{} in {elapsed:?}", flood.len());
    for tenant in &tenants {
        let own: Vec<&str> = flood.lines().filter(|line| line.contains(&format!("tenant={tenant}"))).collect();
        let bytes: usize = own.iter().map(|line| line.len() + 1).sum();
        assert!(bytes < bytes_max(NOTE_LOG_BYTES_PER_SECOND_MAX, elapsed), "{tenant}: {bytes} in {elapsed:?}");
        assert!(own.iter().any(|line| line.contains("notes are dropped")), "{tenant}: {own:?}");
    }
    assert!(flood.contains("flood x") && !flood.lines().any(|line| line.starts_with("1970")), "{flood}");
    let metrics = host.client().get("/metrics");
    for tenant in &tenants {
        let name = format!("polder_guest_notes_dropped_total{{tenant=\"{tenant}\"}} ");
        let dropped = metrics.text().lines().find_map(|line| line.strip_prefix(&name)).expect("a metric");
        assert!(dropped.parse::<u64>().unwrap() > 0, "{tenant}: {dropped}");
    }
}
