//! Replays a case of an aggregate: folds the given events, handles the command, and compares the decision and the
//! state.

use polder_sandbox::{CallError, GuestCommand, GuestEvent, Instance};
use serde_json::Value;

use crate::case::{AggregateCase, Fact, Then};
use crate::difference::lines_apart;
use crate::error::ReplayError;

pub(crate) fn replay(instance: &mut Instance, case: &AggregateCase) -> Result<Vec<String>, ReplayError> {
    let payloads: Vec<Vec<u8>> = case.given.iter().map(|fact| fact.payload.to_string().into_bytes()).collect();
    let given: Vec<GuestEvent<'_>> = (1..)
        .zip(case.given.iter().zip(&payloads))
        .map(|(number, (fact, payload))| event(case, number, fact, payload))
        .collect();
    let state = instance.start(&case.aggregate, &case.id)?;
    let state = instance.evolve(state, &given)?;
    let payload = case.when.payload.to_string().into_bytes();
    let command = GuestCommand {
        id: &case.when.id,
        name: &case.when.name,
        payload: &payload,
        at_ms: case.when.at_ms,
        actor: case.when.actor.as_deref(),
    };
    let (state, decision) = instance.handle(state, &command)?;
    let decided = match decision {
        Ok(events) => Then::Events(
            events
                .into_iter()
                .map(|event| {
                    let payload = serde_json::from_slice(&event.payload)?;
                    Ok(Fact { name: event.name.to_string(), version: event.version, payload })
                })
                .collect::<Result<_, serde_json::Error>>()?,
        ),
        Err(reason) => Then::Rejected { code: reason.code, message: reason.message },
    };
    let mut differences = lines_apart(&outcome_lines(&case.then), &outcome_lines(&decided));
    let shown = inspected(instance.inspect(&state)?)?;
    differences.extend(lines_apart(&[state_line(&case.state)], &[state_line(&shown)]));

    // A state that is saved and loaded must stay the same, because snapshots depend on it.
    let saved = instance.save(&state)?;
    let loaded = instance.load(&case.aggregate, &case.id, &saved)?;
    let reloaded = inspected(instance.inspect(&loaded)?)?;
    if reloaded != shown {
        differences.push(format!("+ {} after it was saved and loaded", state_line(&reloaded)));
    }
    discard(instance, [state, loaded])?;
    Ok(differences)
}

fn event<'a>(case: &'a AggregateCase, number: u64, fact: &'a Fact, payload: &'a [u8]) -> GuestEvent<'a> {
    GuestEvent {
        position: number,
        aggregate: &case.aggregate,
        aggregate_id: &case.id,
        sequence: number,
        name: &fact.name,
        version: fact.version,
        payload,
        at_ms: case.when.at_ms,
    }
}

fn outcome_lines(then: &Then) -> Vec<String> {
    match then {
        Then::Events(facts) if facts.is_empty() => vec!["nothing".to_owned()],
        Then::Events(facts) => {
            facts.iter().map(|fact| format!("{}@{} {}", fact.name, fact.version, fact.payload)).collect()
        }
        Then::Rejected { code, message } => vec![format!("rejected {code} {message}")],
    }
}

fn state_line(state: &Value) -> String {
    format!("state {state}")
}

fn inspected(text: String) -> Result<Value, serde_json::Error> {
    serde_json::from_str(&text)
}

fn discard<const N: usize>(instance: &mut Instance, states: [polder_sandbox::StateHandle; N]) -> Result<(), CallError> {
    states.into_iter().try_for_each(|state| instance.discard(state))
}
