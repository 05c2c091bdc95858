//! Runs a case natively and compares the result. The result is kept unchanged, so that the sandbox can be checked
//! against it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::case::{AggregateCase, COMMAND_ID, Case, ExpectedEffect, Fact, Given, ProjectionCase, Then};
use super::text::{missing, shown};
use crate::domain::{Document, Domain};
use crate::messages::{CommandRef, EventRef, Refused};

/// The case and its outcome, in the recorded form.
pub(super) fn run(domain: &Domain, case: &Case) -> Result<Value, String> {
    match case {
        Case::Aggregate(case) => run_aggregate(domain, case),
        Case::Projection(case) => run_projection(domain, case),
    }
}

fn run_aggregate(domain: &Domain, case: &AggregateCase) -> Result<Value, String> {
    let given: Vec<EventRef<'_>> = case.given.iter().map(Given::event).collect();
    let mut state = domain.start(&case.aggregate, &case.id).map_err(|fault| fault.to_string())?;
    state.evolve(&given).map_err(|fault| format!("what is given cannot be folded: {fault}"))?;
    let payload = case.when.payload.to_string().into_bytes();
    let handled = state.handle(&CommandRef {
        id: COMMAND_ID,
        name: &case.when.name,
        payload: &payload,
        at_ms: case.when.at_ms,
        actor: case.when.actor.as_deref(),
    });
    let outcome = match handled {
        Ok(events) => {
            let facts: Result<Vec<Fact>, serde_json::Error> = events
                .into_iter()
                .map(|event| {
                    let payload = serde_json::from_slice(&event.payload)?;
                    Ok(Fact { name: event.name.to_owned(), version: event.version, payload })
                })
                .collect();
            Outcome::Events(facts.map_err(|error| error.to_string())?)
        }
        Err(Refused::Rejected(rejected)) => {
            Outcome::Rejected { code: rejected.code.into_owned(), message: rejected.message }
        }
        Err(Refused::Fault(fault)) => return Err(format!("the domain failed: {fault}")),
    };
    let mut difference = outcome.difference(&case.then);
    let state = inspected(&state.inspect().map_err(|fault| fault.to_string())?)?;
    if let Some(shows) = &case.state {
        difference.extend(missing(shows, &state, "").into_iter().map(|line| state_line(&line)));
    }
    conclude(difference)?;
    Ok(json!({
        "kind": "aggregate",
        "aggregate": case.aggregate,
        "id": case.id,
        "given": case.given.iter().map(|given| json!({
            "name": given.name, "version": given.version, "payload": given.payload,
        })).collect::<Vec<_>>(),
        "when": {
            "name": case.when.name, "payload": case.when.payload, "id": COMMAND_ID,
            "at_ms": case.when.at_ms, "actor": case.when.actor,
        },
        "then": outcome.recorded(),
        "state": state,
    }))
}

enum Outcome {
    Events(Vec<Fact>),
    Rejected { code: String, message: String },
}

impl Outcome {
    fn difference(&self, expected: &Then) -> Vec<String> {
        let (wanted, found) = match (expected, self) {
            (Then::Events(wanted), Self::Events(found)) => {
                return lines_apart(
                    &wanted.iter().map(fact_line).collect::<Vec<_>>(),
                    &found.iter().map(fact_line).collect::<Vec<_>>(),
                );
            }
            (Then::Rejected { code, words }, Self::Rejected { code: found, message }) => {
                if code == found && message.contains(words.as_str()) {
                    return Vec::new();
                }
                (vec![rejected_line(code, words)], vec![rejected_line(found, message)])
            }
            (Then::Rejected { code, words }, Self::Events(found)) => {
                (vec![rejected_line(code, words)], found.iter().map(fact_line).collect())
            }
            (Then::Events(wanted), Self::Rejected { code, message }) => {
                (wanted.iter().map(fact_line).collect(), vec![rejected_line(code, message)])
            }
        };
        lines_apart(&wanted, &found)
    }

    fn recorded(&self) -> Value {
        match self {
            Self::Events(facts) => json!({
                "events": facts.iter().map(|fact| json!({
                    "name": fact.name, "version": fact.version, "payload": fact.payload,
                })).collect::<Vec<_>>(),
            }),
            Self::Rejected { code, message } => json!({ "rejected": { "code": code, "message": message } }),
        }
    }
}

fn rejected_line(code: &str, words: &str) -> String {
    format!("rejected {code} {words}").trim_end().to_owned()
}

fn fact_line(fact: &Fact) -> String {
    format!("{}@{} {}", fact.name, fact.version, shown(&fact.payload)).trim_end().to_owned()
}

fn run_projection(domain: &Domain, case: &ProjectionCase) -> Result<Value, String> {
    let failed = |fault: crate::messages::Fault| format!("the projection failed: {fault}");
    let events: Vec<EventRef<'_>> = case.given.iter().map(Given::event).collect();
    let routes = domain.route(&case.projection, &events).map_err(failed)?;
    let mut open: BTreeMap<String, Document> = BTreeMap::new();
    let mut effects: Vec<ExpectedEffect> = Vec::new();
    for (event, keys) in events.iter().zip(routes) {
        for key in keys {
            if !open.contains_key(&key) {
                open.insert(key.clone(), domain.open(&case.projection, &key, None).map_err(failed)?);
            }
            let Some(document) = open.get_mut(&key) else { continue };
            for effect in document.apply(&[*event]).map_err(failed)? {
                effects.push(ExpectedEffect {
                    payload: Value::Object(effect.particulars),
                    kind: effect.kind,
                    target: effect.target,
                    key: effect.key,
                });
            }
        }
    }
    let mut documents: BTreeMap<String, Value> = BTreeMap::new();
    for (key, document) in &open {
        let saved = document.save().map_err(failed)?;
        let saved = saved.map(|saved| serde_json::from_slice(&saved)).transpose();
        documents.insert(key.clone(), saved.map_err(|error| error.to_string())?.unwrap_or(Value::Null));
    }
    let mut difference = documents_apart(&case.documents, &documents);
    difference.extend(lines_apart(
        &case.effects.iter().map(effect_line).collect::<Vec<_>>(),
        &effects.iter().map(effect_line).collect::<Vec<_>>(),
    ));
    conclude(difference)?;
    Ok(json!({
        "kind": "projection",
        "projection": case.projection,
        "given": case.given.iter().map(|given| json!({
            "aggregate": given.aggregate, "aggregate_id": given.aggregate_id, "sequence": given.sequence,
            "position": given.position, "name": given.name, "version": given.version,
            "payload": given.payload, "at_ms": given.at_ms,
        })).collect::<Vec<_>>(),
        "documents": documents,
        "effects": effects.iter().map(|effect| json!({
            "kind": effect.kind, "target": effect.target, "key": effect.key, "payload": effect.payload,
        })).collect::<Vec<_>>(),
    }))
}

fn documents_apart(expected: &[(String, Value)], documents: &BTreeMap<String, Value>) -> Vec<String> {
    let mut difference = Vec::new();
    for (key, shows) in expected {
        match documents.get(key).filter(|document| !document.is_null()) {
            None => difference.push(format!("- document {key} {}", shown(shows))),
            Some(document) => {
                let apart = missing(shows, document, "");
                difference
                    .extend(apart.into_iter().map(|line| format!("{} document {key} {}", &line[..1], &line[2..])));
            }
        }
    }
    let named = |key: &String| expected.iter().any(|(expected, _)| expected == key);
    let others = documents.iter().filter(|(key, document)| !document.is_null() && !named(key));
    difference.extend(others.map(|(key, document)| format!("+ document {key} {}", shown(document))));
    difference
}

fn effect_line(effect: &ExpectedEffect) -> String {
    let ExpectedEffect { kind, target, key, payload } = effect;
    format!("effect {kind} {target} {key} {}", shown(payload)).trim_end().to_owned()
}

fn state_line(line: &str) -> String {
    format!("{} state {}", &line[..1], &line[2..])
}

/// The lines only in `expected` and the lines only in `found`, without their common beginning and end.
fn lines_apart(expected: &[String], found: &[String]) -> Vec<String> {
    if expected == found {
        return Vec::new();
    }
    let same_before = expected.iter().zip(found).take_while(|(a, b)| a == b).count();
    let (expected_rest, found_rest) = (&expected[same_before..], &found[same_before..]);
    let same_after = expected_rest.iter().rev().zip(found_rest.iter().rev()).take_while(|(a, b)| a == b).count();
    let (expected_rest, after) = expected_rest.split_at(expected_rest.len() - same_after);
    let found_rest = &found_rest[..found_rest.len() - same_after];
    let marked = |mark: &'static str| move |line: &String| format!("{mark} {line}");
    let mut lines: Vec<String> = expected[..same_before].iter().map(marked(" ")).collect();
    if expected.is_empty() {
        lines.push("- nothing".to_owned());
    }
    lines.extend(expected_rest.iter().map(marked("-")));
    lines.extend(found_rest.iter().map(marked("+")));
    if found.is_empty() {
        lines.push("+ nothing".to_owned());
    }
    lines.extend(after.iter().map(marked(" ")));
    lines
}

fn conclude(difference: Vec<String>) -> Result<(), String> {
    if difference.is_empty() {
        return Ok(());
    }
    Err(format!("the case does not hold (- expected, + found):\n  {}", difference.join("\n  ")))
}

fn inspected(json: &str) -> Result<Value, String> {
    serde_json::from_str(json).map_err(|error| format!("the state is not JSON: {error}"))
}
