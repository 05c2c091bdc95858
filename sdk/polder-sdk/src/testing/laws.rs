//! Laws that hold for every aggregate and every projection, checked on a history. Random histories are the intended
//! use.

use std::collections::BTreeMap;

use serde_json::Value;

use super::case::Given;
use crate::domain::{Domain, State};
use crate::messages::{CommandRef, EventRef, Fault, NewEvent, Refused};

const AT_MS: u64 = 1_767_225_600_000;
const AGGREGATE_ID: &str = "law-1";

/// Sends `commands` (names and payloads) to one new aggregate, and checks these laws:
/// - A rejection leaves the state unchanged, and no command is a fault.
/// - Replaying the events gives the same state as handling the commands.
/// - Applying events in parts gives the same state as applying them at once, at every cut.
/// - Saving and loading gives the same state, at every cut.
///
/// Returns the number of accepted commands, so that a test can check that its commands reach the rules.
/// # Panics
/// When a law does not hold, with the states that differ.
#[track_caller]
pub fn check_laws(domain: &Domain, aggregate: &str, commands: &[(String, Value)]) -> usize {
    hold(laws(domain, aggregate, commands))
}

/// Sends `commands` to one new aggregate as [`check_laws`] does, and checks the documents that `projection` builds from
/// the events: building a document in parts, saved and opened again in between, gives the same document as building it
/// at once.
///
/// Returns the number of documents.
/// # Panics
/// When the law does not hold, with the documents that differ.
#[track_caller]
pub fn check_projection_laws(
    domain: &Domain,
    aggregate: &str,
    projection: &str,
    commands: &[(String, Value)],
) -> usize {
    hold(projection_laws(domain, aggregate, projection, commands))
}

#[track_caller]
fn hold(checked: Result<usize, String>) -> usize {
    match checked {
        Ok(count) => count,
        Err(problem) => panic!("{problem}"),
    }
}

fn laws(domain: &Domain, aggregate: &str, commands: &[(String, Value)]) -> Result<usize, String> {
    let (handled, history, accepted) = play(domain, aggregate, commands)?;
    let events: Vec<EventRef<'_>> = history.iter().map(Given::event).collect();
    let at_once = fold(domain, aggregate, &events)?;
    same("replaying the events", &inspect(&handled)?, "handling the commands", &inspect(&at_once)?)?;
    for cut in 0..=events.len() {
        let mut in_parts = fold(domain, aggregate, &events[..cut])?;
        let saved = in_parts.save().map_err(message_of)?;
        let mut loaded = domain.load(aggregate, AGGREGATE_ID, &saved).map_err(message_of)?;
        same("saving and loading", &inspect(&in_parts)?, "doing nothing", &inspect(&loaded)?)?;
        in_parts.evolve(&events[cut..]).map_err(message_of)?;
        loaded.evolve(&events[cut..]).map_err(message_of)?;
        same("folding in parts", &inspect(&at_once)?, "folding at once", &inspect(&in_parts)?)?;
        same("going on after loading", &inspect(&at_once)?, "folding at once", &inspect(&loaded)?)?;
    }
    Ok(accepted)
}

fn projection_laws(
    domain: &Domain,
    aggregate: &str,
    projection: &str,
    commands: &[(String, Value)],
) -> Result<usize, String> {
    let (_, history, _) = play(domain, aggregate, commands)?;
    let events: Vec<EventRef<'_>> = history.iter().map(Given::event).collect();
    let routes = domain.route(projection, &events).map_err(message_of)?;
    let mut by_key: BTreeMap<String, Vec<EventRef<'_>>> = BTreeMap::new();
    for (event, keys) in events.iter().zip(routes) {
        for key in keys {
            by_key.entry(key).or_default().push(*event);
        }
    }
    for (key, events) in &by_key {
        let folded = |saved: Option<Vec<u8>>, events: &[EventRef<'_>]| -> Result<Option<Vec<u8>>, String> {
            let mut document = domain.open(projection, key, saved.as_deref()).map_err(message_of)?;
            document.apply(events).map_err(message_of)?;
            document.save().map_err(message_of)
        };
        let at_once = folded(None, events)?;
        for cut in 0..=events.len() {
            let in_parts = folded(folded(None, &events[..cut])?, &events[cut..])?;
            let text = |saved: &Option<Vec<u8>>| {
                saved.as_deref().map(String::from_utf8_lossy).unwrap_or_default().into_owned()
            };
            same("folding a document in parts", &text(&at_once), "folding it at once", &text(&in_parts))?;
        }
    }
    Ok(by_key.len())
}

/// The state after `commands`, their events, and the number of accepted commands.
fn play(domain: &Domain, aggregate: &str, commands: &[(String, Value)]) -> Result<(State, Vec<Given>, usize), String> {
    let mut state = domain.start(aggregate, AGGREGATE_ID).map_err(message_of)?;
    let (mut history, mut accepted): (Vec<Given>, usize) = (Vec::new(), 0);
    for (number, (name, payload)) in commands.iter().enumerate() {
        let at_ms = AT_MS + 1_000 * number as u64;
        let before = inspect(&state)?;
        let (id, payload) = (format!("command-{number}"), payload.to_string().into_bytes());
        match state.handle(&CommandRef { id: &id, name, payload: &payload, at_ms, actor: None }) {
            Ok(events) => {
                accepted += 1;
                for event in events {
                    history.push(recorded(aggregate, event, history.len() as u64 + 1, at_ms)?);
                }
            }
            Err(Refused::Rejected(_)) => same("a rejection", &before, "doing nothing", &inspect(&state)?)?,
            Err(Refused::Fault(fault)) => return Err(format!("{name} failed: {fault}")),
        }
    }
    Ok((state, history, accepted))
}

fn recorded(aggregate: &str, event: NewEvent, sequence: u64, at_ms: u64) -> Result<Given, String> {
    Ok(Given {
        aggregate: aggregate.to_owned(),
        aggregate_id: AGGREGATE_ID.to_owned(),
        sequence,
        position: sequence,
        name: event.name.to_owned(),
        version: event.version,
        payload: serde_json::from_slice(&event.payload).map_err(|error| error.to_string())?,
        json: event.payload,
        at_ms,
    })
}

fn fold(domain: &Domain, aggregate: &str, events: &[EventRef<'_>]) -> Result<State, String> {
    let mut state = domain.start(aggregate, AGGREGATE_ID).map_err(message_of)?;
    state.evolve(events).map_err(message_of)?;
    Ok(state)
}

fn same(doing: &str, expected: &str, than: &str, found: &str) -> Result<(), String> {
    if expected == found {
        return Ok(());
    }
    Err(format!("{doing} gives another state than {than}:\n  - {expected}\n  + {found}"))
}

fn inspect(state: &State) -> Result<String, String> {
    state.inspect().map_err(message_of)
}

fn message_of(fault: Fault) -> String {
    fault.message
}
