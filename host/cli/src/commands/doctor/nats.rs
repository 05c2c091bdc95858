//! Checks of a NATS server: its version, its limits, how it syncs its disk, and its clock.

use std::time::Duration;

use jiff::Timestamp;
use polder_core::Limits;
use polder_nats::{ConnectOptions, Connection};
use serde_json::Value;

use super::finding::{CheckResult, Finding};

/// Room for the headers of a message, in bytes, in addition to its payload. The headers never need all of it.
const HEADERS_BYTES: u64 = 4 * 1_024;
/// Largest accepted difference of clocks: tokens expire, and events are ordered by time, across machines.
const CLOCK_DIFFERENCE_MAX: Duration = Duration::from_secs(1);
const MONITORING_WAIT_MAX: Duration = Duration::from_secs(5);

/// Returns no findings if no NATS server is given.
pub(super) fn findings(options: Option<&ConnectOptions>, monitoring: Option<&str>) -> anyhow::Result<Vec<Finding>> {
    let Some(options) = options else { return Ok(Vec::new()) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let findings = runtime.block_on(async {
        let connection = match Connection::open(options, "polder doctor").await {
            Ok(connection) => connection,
            Err(error) => return vec![Finding { check: "nats", result: CheckResult::Bad(error.to_string()) }],
        };
        let version = format!("nats-server {} answers at {}", connection.server_version(), connection.urls());
        let jetstream = connection.require_jetstream().await;
        let jetstream = jetstream.map(|()| "it answers".to_owned()).map_err(|error| error.to_string());
        let mut findings = vec![
            Finding { check: "nats", result: CheckResult::Good(version) },
            Finding { check: "nats jetstream", result: jetstream.into() },
            Finding { check: "nats max_payload", result: payload(connection.payload_bytes_max() as u64).into() },
        ];
        match monitoring {
            Some(url) => match status(url).await {
                Ok(status) => findings.extend([
                    Finding { check: "nats sync_interval", result: sync(&status).into() },
                    Finding { check: "nats clock", result: clock(&status, Timestamp::now()).into() },
                ]),
                Err(problem) => findings.push(Finding { check: "nats monitoring", result: CheckResult::Bad(problem) }),
            },
            None => findings.push(Finding {
                check: "nats monitoring",
                result: CheckResult::Absent(
                    "not checked: give --nats-monitoring http://127.0.0.1:8222 to check disk and clock".to_owned(),
                ),
            }),
        }
        findings
    });
    Ok(findings)
}

fn payload(bytes_max: u64) -> Result<String, String> {
    let Limits { command_bytes_max, event_bytes_max, .. } = Limits::DEFAULT;
    let needed = command_bytes_max.max(event_bytes_max) + HEADERS_BYTES;
    match bytes_max >= needed {
        true => Ok(format!("{bytes_max} bytes")),
        false => Err(format!(
            "{bytes_max} bytes, and the largest command has {command_bytes_max}: set `max_payload: {needed}`, or more, and restart it"
        )),
    }
}

/// The server's status, as `/varz` reports it.
async fn status(url: &str) -> Result<Value, String> {
    let url = format!("{}/varz", url.trim_end_matches('/'));
    let fetched = async {
        let client = reqwest::Client::builder().no_proxy().timeout(MONITORING_WAIT_MAX).build()?;
        client.get(&url).send().await?.error_for_status()?.json().await
    };
    fetched.await.map_err(|error: reqwest::Error| {
        format!(
            "{url} cannot be read ({error}): start the server with `http: 127.0.0.1:8222`, or name where that listens"
        )
    })
}

fn sync(status: &Value) -> Result<String, String> {
    let config = &status["jetstream"]["config"];
    if config["sync_always"] == true {
        return Ok("always: what is confirmed is on disk".to_owned());
    }
    let interval = config["sync_interval"].as_u64().map(Duration::from_nanos);
    let interval = interval.ok_or("the server does not report how often it syncs: is JetStream on?")?;
    Ok(format!(
        "{interval:?}: confirmed events may be lost in a power cut; the host publishes them again from its journal. A journal on JetStream \
         needs `sync_interval: always`"
    ))
}

fn clock(status: &Value, now: Timestamp) -> Result<String, String> {
    let theirs: Timestamp =
        status["now"].as_str().and_then(|text| text.parse().ok()).ok_or("the server does not report its time")?;
    let difference = now.duration_since(theirs).unsigned_abs();
    match difference <= CLOCK_DIFFERENCE_MAX {
        true => Ok(format!("differs by {} ms", difference.as_millis())),
        false => Err(format!(
            "the server's clock differs from this machine's by {} ms: set both by a time server",
            difference.as_millis()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_small_payload_is_reported_with_what_is_needed() {
        assert!(payload(1_048_576).is_ok());
        assert!(payload(65_536).unwrap_err().contains("max_payload: 266240"));
    }

    #[test]
    fn the_sync_interval_is_reported() {
        let config = |config: Value| sync(&json!({ "jetstream": { "config": config } }));
        assert!(config(json!({ "sync_always": true, "sync_interval": 1 })).unwrap().contains("always:"));
        assert!(
            config(json!({ "sync_interval": 120_000_000_000_u64 }))
                .unwrap()
                .contains("120s: confirmed events may be lost")
        );
        assert!(sync(&json!({})).is_err());
    }

    #[test]
    fn a_clock_that_is_off_is_reported() {
        let now: Timestamp = "2026-05-01T12:00:00Z".parse().unwrap();
        assert!(clock(&json!({ "now": "2026-05-01T12:00:00.4Z" }), now).is_ok());
        for theirs in ["2026-05-01T12:00:03Z", "2026-05-01T11:59:57Z"] {
            assert!(clock(&json!({ "now": theirs }), now).unwrap_err().contains("3000 ms"), "{theirs}");
        }
        assert!(clock(&json!({}), now).is_err());
    }
}
