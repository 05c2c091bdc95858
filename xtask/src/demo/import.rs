//! Runs `polder import` and reads each acknowledgement the moment the importer has it.

use std::io::BufRead;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use super::polder::{Host, Polder};

/// One acknowledgement: what a caller was told, and may rely on.
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
    /// The importer's own counts, and its report as it would print it.
    pub(super) accepted: u64,
    pub(super) already_handled: u64,
    pub(super) refused: u64,
    pub(super) elapsed: Duration,
    /// The importer's last words, if it could not finish.
    pub(super) gave_up: Option<String>,
}

/// What the importer writes for programs: acknowledgements, then its report, then its problem if it has one.
enum Line {
    Ack(Ack),
    Report { accepted: u64, already_handled: u64, refused: u64 },
    Other,
}

/// `words` are the importer's arguments. `each` is called after each acknowledgement with how many there are.
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
    while stdout.read_line(&mut text).context("cannot read what the importer says")? > 0 {
        match Line::read(&text).with_context(|| format!("the importer said something unexpected: {text}"))? {
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
    let (good, said) = process.finish()?;
    let (accepted, already_handled, refused) =
        report.with_context(|| format!("the importer gave no report: {said}"))?;
    // An importer that was refused some rows has done its work too, and its exit code tells of the rows.
    let gave_up = (!good && !said.is_empty()).then(|| said.trim().trim_start_matches("error: ").to_owned());
    Ok(Imported { acks, accepted, already_handled, refused, elapsed, gave_up })
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
    fn lines_are_told_apart() {
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
