//! Runs `polder import` and reads each acknowledgement as soon as the importer has it.

use std::io::BufRead;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use super::polder::{Host, Polder};

/// One acknowledgement: the promise that a caller received.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ack {
    pub(super) command_id: String,
    pub(super) aggregate_id: String,
    pub(super) sequence: u64,
    pub(super) position: u64,
    pub(super) is_accepted: bool,
}

pub(super) struct Imported {
    pub(super) acks: Vec<Ack>,
    /// The number of accepted commands, from the importer's own report.
    pub(super) accepted: u64,
    pub(super) already_handled: u64,
    pub(super) refused: u64,
    pub(super) elapsed: Duration,
    /// The importer's error message, if it did not finish.
    pub(super) failure: Option<String>,
}

/// The importer's output for programs: acknowledgements, then its report, then an error if there was one.
enum Line {
    Ack(Ack),
    Report { accepted: u64, already_handled: u64, refused: u64 },
    Other,
}

/// Runs the importer with the arguments `words`. After each acknowledgement it calls `each` with their number.
pub(super) fn import(
    polder: &Polder,
    host: &mut Host,
    words: &[&str],
    mut each: impl FnMut(u64, Duration, &mut Host) -> Result<()>,
) -> Result<Imported> {
    let start = Instant::now();
    let (process, mut stdout) = polder.start(host, words)?;
    let mut acks = Vec::new();
    let mut report = None;
    let mut text = String::new();
    while stdout.read_line(&mut text).context("cannot read the importer's output")? > 0 {
        match Line::read(&text).with_context(|| format!("the importer printed something unexpected: {text}"))? {
            Line::Ack(ack) => {
                acks.push(ack);
                each(acks.len() as u64, start.elapsed(), host)?;
            }
            Line::Report { accepted, already_handled, refused } => report = Some((accepted, already_handled, refused)),
            Line::Other => {}
        }
        text.clear();
    }
    let elapsed = start.elapsed();
    let (good, stderr) = process.finish()?;
    let (accepted, already_handled, refused) =
        report.with_context(|| format!("the importer gave no report: {stderr}"))?;
    // An importer with refused rows has finished, too; its exit code reports the refused rows.
    let failure = (!good && !stderr.is_empty()).then(|| stderr.trim().trim_start_matches("error: ").to_owned());
    Ok(Imported { acks, accepted, already_handled, refused, elapsed, failure })
}

impl Line {
    fn read(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        if value.get("command_id").is_some() {
            return Some(Self::Ack(Ack {
                command_id: value["command_id"].as_str()?.to_owned(),
                aggregate_id: value["aggregate_id"].as_str()?.to_owned(),
                sequence: value["sequence"].as_u64()?,
                position: value["position"].as_u64()?,
                is_accepted: value["status"] == "accepted",
            }));
        }
        if value.get("already_handled").is_some() {
            return Some(Self::Report {
                accepted: value["accepted"].as_u64()?,
                already_handled: value["already_handled"].as_u64()?,
                refused: value["refused"].as_u64()?,
            });
        }
        Some(Self::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_lines_are_distinguished() {
        let ack = r#"{"line":2,"status":"accepted","command_id":"c","aggregate_id":"a","sequence":1,"position":9}"#;
        let wanted =
            Ack { command_id: "c".into(), aggregate_id: "a".into(), sequence: 1, position: 9, is_accepted: true };
        assert!(matches!(Line::read(ack), Some(Line::Ack(ack)) if ack == wanted));
        let report = r#"{"accepted":1,"already_handled":2,"refused":3,"reasons":[]}"#;
        let read = Line::read(report);
        assert!(matches!(read, Some(Line::Report { accepted: 1, already_handled: 2, refused: 3 })));
        assert!(matches!(Line::read(r#"{"error":"no host answers"}"#), Some(Line::Other)));
        assert!(Line::read("4 accepted").is_none());
    }
}
