//! Checks a history against its callers' acknowledgements: nothing acknowledged is missing, nothing is there twice, and
//! the order is possible. Pure functions.

use std::collections::HashMap;

/// One command, as its caller observed it. All callers share one clock, in any unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    pub command: String,
    pub aggregate: String,
    pub sent_at: u64,
    /// `None`: the caller never got the outcome.
    pub acknowledged: Option<Acknowledged>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledged {
    pub at: u64,
    pub position: u64,
    pub sequence: u64,
}

/// One event of the history. In these tests each command leads to one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    pub command: String,
    pub aggregate: String,
    pub position: u64,
    pub sequence: u64,
}

/// # Errors
/// The first contradiction.
pub fn check_history(operations: &[Operation], history: &[Recorded]) -> Result<(), String> {
    let mut sequences: HashMap<&str, u64> = HashMap::new();
    let mut by_command: HashMap<&str, &Recorded> = HashMap::new();
    for (event, position) in history.iter().zip(1..) {
        if event.position != position {
            return Err(format!("position {position} is expected, {} was found", event.position));
        }
        let last = sequences.entry(&event.aggregate).or_default();
        *last += 1;
        if event.sequence != *last {
            return Err(format!(
                "{} is at {}, its event at position {position} says {}",
                event.aggregate, last, event.sequence
            ));
        }
        if by_command.insert(&event.command, event).is_some() {
            return Err(format!("command {} is there twice, the second time at position {position}", event.command));
        }
    }
    let mut sent = HashMap::new();
    for operation in operations {
        sent.insert(operation.command.as_str(), operation);
        let Some(acknowledged) = operation.acknowledged else { continue };
        match by_command.get(operation.command.as_str()) {
            None => return Err(format!("command {} was acknowledged and is not there", operation.command)),
            Some(event) if (event.position, event.sequence) != (acknowledged.position, acknowledged.sequence) => {
                let Recorded { position, sequence, .. } = event;
                return Err(format!(
                    "command {} was acknowledged at position {}, sequence {}, and is at position {position}, sequence {sequence}",
                    operation.command, acknowledged.position, acknowledged.sequence
                ));
            }
            Some(_) => {}
        }
    }
    if let Some(event) = history.iter().find(|event| !sent.contains_key(event.command.as_str())) {
        return Err(format!("no caller sent command {}, at position {}", event.command, event.position));
    }
    check_order(operations)
}

/// Checks that a command sent after an acknowledgement comes after the acknowledged event.
fn check_order(operations: &[Operation]) -> Result<(), String> {
    let mut by_sending: Vec<_> =
        operations.iter().filter_map(|operation| Some((operation, operation.acknowledged?))).collect();
    let mut by_answer = by_sending.clone();
    by_sending.sort_by_key(|(operation, _)| operation.sent_at);
    by_answer.sort_by_key(|(_, acknowledged)| acknowledged.at);
    let (mut before, mut furthest) = (by_answer.into_iter().peekable(), None::<(&Operation, u64)>);
    for (operation, acknowledged) in by_sending {
        while let Some((earlier, answer)) = before.next_if(|(_, answer)| answer.at < operation.sent_at) {
            if furthest.is_none_or(|(_, position)| position < answer.position) {
                furthest = Some((earlier, answer.position));
            }
        }
        if let Some((earlier, position)) = furthest.filter(|(_, position)| *position > acknowledged.position) {
            return Err(format!(
                "command {} was sent after {} was acknowledged at position {position}, and is before it, at {}",
                operation.command, earlier.command, acknowledged.position
            ));
        }
    }
    Ok(())
}
