//! What a guest gave back, checked before anyone relies on it. Each problem is named as the guest's author needs it.

use polder_core::{EventName, Limits, Reason, check_json, check_json_text};

use crate::bindings::exports::polder::domain::projections;
use crate::bindings::wire::{Event, NewEvent, Rejection};
use crate::catalog::AggregateEvents;

/// Key of one document, in bytes.
pub const DOCUMENT_KEY_BYTES_MAX: usize = 512;
/// Code of a rejection, in bytes.
pub const REJECTION_CODE_BYTES_MAX: usize = 128;
/// Message of a rejection, in bytes.
pub const REJECTION_MESSAGE_BYTES_MAX: usize = 4 * 1024;

/// An event that a decision asks to record: listed in the descriptor, its payload JSON.
#[derive(Debug, Clone)]
pub struct GuestNewEvent {
    pub name: EventName,
    pub version: u32,
    pub payload: Vec<u8>,
}

/// Something for the host to do. The payload is JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// Of the event that it comes from.
    pub position: u64,
    pub kind: String,
    pub target: String,
    pub key: String,
    pub payload: Vec<u8>,
}

pub(crate) fn new_events(
    given: Vec<NewEvent>,
    known: &AggregateEvents,
    limits: &Limits,
) -> Result<Vec<GuestNewEvent>, String> {
    at_most(given.len(), limits.events_per_command_max, "events for one command", "events_per_command_max")?;
    let mut events = Vec::with_capacity(given.len());
    for NewEvent { name, version, payload } in given {
        let name = known.check(&name, version)?;
        check_size(payload.len(), limits.event_bytes_max, "event_bytes_max", || format!("event {name}"))?;
        check_json(&payload).map_err(|problem| format!("the payload of event {name} {problem}"))?;
        events.push(GuestNewEvent { name, version, payload });
    }
    Ok(events)
}

pub(crate) fn reason(rejection: Rejection) -> Result<Reason, String> {
    let Rejection { code, message } = rejection;
    if !(1..=REJECTION_CODE_BYTES_MAX).contains(&code.len()) || !code.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!(
            "it rejected with code {code:.80?}; a code has 1 to {REJECTION_CODE_BYTES_MAX} visible ASCII characters"
        ));
    }
    if message.len() > REJECTION_MESSAGE_BYTES_MAX {
        let bytes = message.len();
        return Err(format!(
            "it rejected with a message of {bytes} bytes; at most {REJECTION_MESSAGE_BYTES_MAX} are allowed"
        ));
    }
    Ok(Reason { code, message })
}

pub(crate) fn saved_state(saved: Vec<u8>, limits: &Limits) -> Result<Vec<u8>, String> {
    check_size(saved.len(), limits.state_bytes_max, "state_bytes_max", || "a saved state".into())?;
    Ok(saved)
}

pub(crate) fn inspected(text: String, limits: &Limits) -> Result<String, String> {
    check_size(text.len(), limits.state_bytes_max, "state_bytes_max", || "an inspected state".into())?;
    check_json_text(&text).map_err(|problem| format!("the inspected state {problem}"))?;
    Ok(text)
}

pub(crate) fn routes(
    routes: Vec<Vec<String>>,
    event_count: usize,
    limits: &Limits,
) -> Result<Vec<Vec<String>>, String> {
    if routes.len() != event_count {
        return Err(format!("it routed {} events of {event_count}; one list of keys per event is due", routes.len()));
    }
    for keys in &routes {
        at_most(keys.len(), limits.documents_per_event_max, "documents for one event", "documents_per_event_max")?;
    }
    for key in routes.iter().flatten() {
        if !(1..=DOCUMENT_KEY_BYTES_MAX).contains(&key.len()) {
            let bytes = key.len();
            return Err(format!(
                "it routed to a document key of {bytes} bytes; a key has 1 to {DOCUMENT_KEY_BYTES_MAX}"
            ));
        }
    }
    Ok(routes)
}

pub(crate) fn effects(
    given: Vec<projections::Effect>,
    events: &[Event<'_>],
    limits: &Limits,
) -> Result<Vec<Effect>, String> {
    let effects_max = limits.events_per_command_max.saturating_mul(events.len() as u64);
    at_most(given.len(), effects_max, "effects for these events", "events_per_command_max, for each event")?;
    let mut effects = Vec::with_capacity(given.len());
    for projections::Effect { position, kind, target, key, payload } in given {
        if events.binary_search_by_key(&position, |event| event.position).is_err() {
            return Err(format!("it names position {position} for effect {kind:.80?}, where no event of this call is"));
        }
        check_size(
            kind.len() + target.len() + key.len() + payload.len(),
            limits.event_bytes_max,
            "event_bytes_max",
            || format!("effect {kind:.80?}"),
        )?;
        check_json(&payload).map_err(|problem| format!("the payload of effect {kind:?} {problem}"))?;
        effects.push(Effect { position, kind, target, key, payload });
    }
    Ok(effects)
}

pub(crate) fn document(saved: Option<Vec<u8>>, limits: &Limits) -> Result<Option<Vec<u8>>, String> {
    if let Some(document) = &saved {
        check_size(document.len(), limits.state_bytes_max, "state_bytes_max", || "a document".into())?;
        check_json(document).map_err(|problem| format!("the document {problem}"))?;
    }
    Ok(saved)
}

fn at_most(count: usize, count_max: u64, what: &str, limit: &str) -> Result<(), String> {
    if count as u64 > count_max {
        return Err(format!("it returned {count} {what}; at most {count_max} are allowed (limit {limit})"));
    }
    Ok(())
}

fn check_size(bytes: usize, bytes_max: u64, limit: &str, what: impl FnOnce() -> String) -> Result<(), String> {
    if bytes as u64 > bytes_max {
        return Err(format!("{} has {bytes} bytes; at most {bytes_max} are allowed (limit {limit})", what()));
    }
    Ok(())
}
