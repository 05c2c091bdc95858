//! Replays a case of a projection: applies every event to the documents that it is routed to, and compares documents
//! and effects.

use std::collections::BTreeMap;

use polder_sandbox::{DocumentHandle, Effect, GuestEvent, Instance};
use serde_json::Value;

use crate::case::{ProjectionCase, Recorded, RecordedEffect};
use crate::difference::lines_apart;
use crate::error::ReplayError;

pub(crate) fn replay(instance: &mut Instance, case: &ProjectionCase) -> Result<Vec<String>, ReplayError> {
    let payloads: Vec<Vec<u8>> = case.given.iter().map(|given| given.fact.payload.to_string().into_bytes()).collect();
    let events: Vec<GuestEvent<'_>> =
        case.given.iter().zip(&payloads).map(|(given, payload)| event(given, payload)).collect();
    let routes = instance.route(&case.projection, &events)?;
    let mut open: BTreeMap<String, DocumentHandle> = BTreeMap::new();
    let mut effects = Vec::new();
    for (event, keys) in events.iter().zip(routes) {
        for key in keys {
            let document = match open.remove(&key) {
                Some(document) => document,
                None => instance.open(&case.projection, &key, None)?,
            };
            let (document, requested) = instance.apply(document, &[*event])?;
            effects.extend(requested);
            open.insert(key, document);
        }
    }
    let mut documents = BTreeMap::new();
    for (key, document) in open {
        let saved = instance.save_document(&document)?;
        let shown: Value = saved.map_or(Ok(Value::Null), |saved| serde_json::from_slice(&saved))?;
        documents.insert(key, shown);
        instance.discard_document(document)?;
    }
    let effects = effects.into_iter().map(recorded).collect::<Result<Vec<_>, _>>()?;
    let mut differences = lines_apart(&document_lines(&case.documents), &document_lines(&documents));
    differences.extend(lines_apart(&effect_lines(&case.effects), &effect_lines(&effects)));
    Ok(differences)
}

fn event<'a>(given: &'a Recorded, payload: &'a [u8]) -> GuestEvent<'a> {
    GuestEvent {
        position: given.position,
        aggregate: &given.aggregate,
        aggregate_id: &given.aggregate_id,
        sequence: given.sequence,
        name: &given.fact.name,
        version: given.fact.version,
        payload,
        at_ms: given.at_ms,
    }
}

fn recorded(effect: Effect) -> Result<RecordedEffect, serde_json::Error> {
    let Effect { kind, target, key, payload, .. } = effect;
    Ok(RecordedEffect { kind, target, key, payload: serde_json::from_slice(&payload)? })
}

fn document_lines(documents: &BTreeMap<String, Value>) -> Vec<String> {
    documents.iter().map(|(key, document)| format!("document {key} {document}")).collect()
}

fn effect_lines(effects: &[RecordedEffect]) -> Vec<String> {
    effects
        .iter()
        .map(|RecordedEffect { kind, target, key, payload }| format!("effect {kind} {target} {key} {payload}"))
        .collect()
}
