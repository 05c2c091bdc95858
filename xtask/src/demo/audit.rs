//! Compares the acknowledgements that callers received with the history. Both are arguments.

use std::collections::{BTreeSet, HashMap};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::import::Ack;

/// The part of a tenant's history that an audit needs.
#[derive(Default)]
pub(super) struct History {
    /// The place of the last event of each command.
    by_command: HashMap<String, Place>,
    aggregates: BTreeSet<String>,
    pub(super) events: u64,
    pub(super) position: u64,
}

#[derive(Debug, PartialEq)]
struct Place {
    aggregate_id: String,
    sequence: u64,
    position: u64,
}

/// The result of an audit.
#[derive(Debug, PartialEq)]
pub(super) struct Audit {
    /// Acknowledged as accepted, and found at the place that the acknowledgement names.
    pub(super) found: u64,
    /// Acknowledged as accepted, but missing there. This must be zero.
    pub(super) missing: u64,
    /// Describes the first missing one.
    pub(super) problem: Option<String>,
    /// In the history but not acknowledged: durable before the host died, while the acknowledgement was not sent yet.
    pub(super) unacknowledged: u64,
}

impl History {
    /// Reads events in the form that `polder events --json` prints.
    pub(super) fn read(lines: &str) -> Result<Self> {
        let mut history = Self::default();
        for line in lines.lines() {
            history.add(line).with_context(|| format!("this is no event: {line}"))?;
        }
        Ok(history)
    }

    fn add(&mut self, line: &str) -> Result<()> {
        let event: Value = serde_json::from_str(line)?;
        let text = |field: &str| Some(event[field].as_str()?.to_owned());
        let (aggregate_id, command_id) = text("aggregate_id").zip(text("command_id")).context("an id is missing")?;
        let (sequence, position) =
            event["sequence"].as_u64().zip(event["position"].as_u64()).context("a number is missing")?;
        ensure!(position > self.position, "position {position} comes after {}", self.position);
        self.events += 1;
        self.position = position;
        self.aggregates.insert(aggregate_id.clone());
        let earlier = self.by_command.insert(command_id, Place { aggregate_id, sequence, position });
        // The events of one command are adjacent; any other second event means that a command was handled twice.
        ensure!(earlier.is_none_or(|earlier| earlier.position + 1 == position), "its command was handled twice");
        Ok(())
    }

    pub(super) fn aggregates(&self) -> u64 {
        self.aggregates.len() as u64
    }

    /// Checks that every accepted command is at the place that its acknowledgement names.
    pub(super) fn audit(&self, acks: &[Ack]) -> Audit {
        let mut audit = Audit { found: 0, missing: 0, problem: None, unacknowledged: 0 };
        let mut acknowledged = BTreeSet::new();
        for ack in acks.iter().filter(|ack| ack.is_accepted) {
            let Ack { command_id, sequence, position, .. } = ack;
            let place = Place { aggregate_id: ack.aggregate_id.clone(), sequence: *sequence, position: *position };
            let found = self.by_command.get(command_id);
            acknowledged.insert(command_id.as_str());
            if found == Some(&place) {
                audit.found += 1;
                continue;
            }
            audit.missing += 1;
            audit.problem.get_or_insert_with(|| {
                format!("command {command_id} was acknowledged at {place:?}, but the history has it at {found:?}")
            });
        }
        audit.unacknowledged =
            self.by_command.keys().filter(|command| !acknowledged.contains(command.as_str())).count() as u64;
        audit
    }
}

impl Audit {
    pub(super) fn verdict(&self) -> Result<()> {
        match &self.problem {
            None => Ok(()),
            Some(problem) => bail!("{} acknowledged commands are missing: {problem}", self.missing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(position: u64, aggregate: &str, sequence: u64, command: &str) -> String {
        serde_json::json!({
            "position": position, "aggregate_id": aggregate, "sequence": sequence, "command_id": command,
        })
        .to_string()
            + "\n"
    }

    fn ack(position: u64, aggregate: &str, sequence: u64, command: &str) -> Ack {
        Ack { command_id: command.into(), aggregate_id: aggregate.into(), sequence, position, is_accepted: true }
    }

    fn history() -> History {
        let events =
            [event(3, "a", 1, "c-1"), event(4, "a", 2, "c-1"), event(5, "b", 1, "c-2"), event(7, "b", 2, "c-3")];
        History::read(&events.concat()).unwrap()
    }

    #[test]
    fn what_was_acknowledged_is_found_and_the_rest_is_counted() {
        let rejected = Ack { is_accepted: false, ..ack(5, "b", 1, "c-9") };
        let audit = history().audit(&[ack(4, "a", 2, "c-1"), ack(7, "b", 2, "c-3"), rejected]);
        assert_eq!(audit, Audit { found: 2, missing: 0, problem: None, unacknowledged: 1 });
        assert!(audit.verdict().is_ok());
        assert_eq!((history().events, history().position, history().aggregates()), (4, 7, 2));
    }

    #[test]
    fn a_missing_or_moved_event_is_reported() {
        for wrong in [ack(9, "b", 3, "c-4"), ack(6, "b", 1, "c-2"), ack(5, "a", 1, "c-2"), ack(5, "b", 2, "c-2")] {
            let audit = history().audit(&[ack(4, "a", 2, "c-1"), wrong.clone()]);
            assert_eq!((audit.found, audit.missing), (1, 1), "{wrong:?}");
            let error = audit.verdict().unwrap_err().to_string();
            assert!(error.contains(&wrong.command_id), "{error}");
        }
    }

    #[test]
    fn a_history_out_of_order_or_with_a_command_twice_is_refused() {
        for (second, problem) in [(event(1, "a", 2, "c-2"), "comes after"), (event(3, "a", 2, "c-1"), "handled twice")]
        {
            let error = History::read(&(event(1, "a", 1, "c-1") + &second)).err().unwrap();
            assert!(format!("{error:#}").contains(problem), "{error:#}");
        }
    }
}
