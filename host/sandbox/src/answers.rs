//! Checks the answers of guests before they are used. Each message describes the problem for the guest's author.

use std::collections::HashSet;

use polder_core::{EventName, JSON_DEPTH_LIMIT, JSON_DEPTH_MAX, JsonError, Limits, Reason, counted};

use crate::bindings::exports::polder::domain::projections;
use crate::bindings::wire::{Event, NewEvent, Rejection};
use crate::call_error::{CallErrorKind, OverLimit};
use crate::catalog::AggregateEvents;
use crate::lost_numbers::Numbers;

/// Maximum length of a document's key, in bytes.
pub const DOCUMENT_KEY_BYTES_MAX: usize = 512;
/// Maximum length of a rejection's code, in bytes.
pub const REJECTION_CODE_BYTES_MAX: usize = 128;
/// Maximum length of a rejection's message, in bytes. A longer one is cut, because it often repeats what the caller
/// sent.
pub const REJECTION_MESSAGE_BYTES_MAX: usize = 4 * 1024;
/// Ending of a message that was cut.
const CUT_MARK: &str = " … (cut)";

/// An event to record, from a decision. The descriptor lists it, and its payload is JSON.
#[derive(Debug, Clone)]
pub struct GuestNewEvent {
    pub name: EventName,
    pub version: u32,
    pub payload: Vec<u8>,
}

/// An action for the host. The payload is JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// Position of the event that caused it.
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
) -> Result<Vec<GuestNewEvent>, CallErrorKind> {
    check_count(given.len(), limits.events_per_command_max, "the decision", "events", "events_per_command_max")?;
    let mut events = Vec::with_capacity(given.len());
    for NewEvent { name, version, payload } in given {
        let (name, numbers) = known.check(&name, version).map_err(misbehaved)?;
        check_json(&payload, limits.event_bytes_max, "event_bytes_max", numbers, || format!("event {name}"))?;
        events.push(GuestNewEvent { name, version, payload });
    }
    Ok(events)
}

pub(crate) fn reason(rejection: Rejection) -> Result<Reason, CallErrorKind> {
    let Rejection { code, mut message } = rejection;
    if !(1..=REJECTION_CODE_BYTES_MAX).contains(&code.len()) || !code.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(misbehaved(format!(
            "it rejected with code {code:.80?}; a code has 1 to {REJECTION_CODE_BYTES_MAX} visible ASCII characters"
        )));
    }
    if message.len() > REJECTION_MESSAGE_BYTES_MAX {
        message.truncate(message.floor_char_boundary(REJECTION_MESSAGE_BYTES_MAX - CUT_MARK.len()));
        message.push_str(CUT_MARK);
    }
    Ok(Reason { code, message })
}

pub(crate) fn saved_state(saved: Vec<u8>, limits: &Limits) -> Result<Vec<u8>, CallErrorKind> {
    check_size(saved.len(), limits.state_bytes_max, "state_bytes_max", || "a saved state".into())?;
    Ok(saved)
}

pub(crate) fn inspected(text: String, limits: &Limits, numbers: &Numbers) -> Result<String, CallErrorKind> {
    check_json(text.as_bytes(), limits.state_bytes_max, "state_bytes_max", numbers, || "the inspected state".into())?;
    Ok(text)
}

/// The keys of the documents that each event concerns, each key once.
pub(crate) fn routes(
    mut routes: Vec<Vec<String>>,
    event_count: usize,
    limits: &Limits,
) -> Result<Vec<Vec<String>>, CallErrorKind> {
    if routes.len() != event_count {
        let routed = routes.len();
        return Err(misbehaved(format!(
            "it routed {} of {event_count}; one list of keys per event is due",
            counted(routed, "event")
        )));
    }
    for keys in &routes {
        let documents_max = limits.documents_per_event_max;
        check_count(keys.len(), documents_max, "one event", "documents", "documents_per_event_max")?;
    }
    for key in routes.iter().flatten() {
        if !(1..=DOCUMENT_KEY_BYTES_MAX).contains(&key.len()) {
            let bytes = key.len();
            return Err(misbehaved(format!(
                "it routed to a document key of {bytes} bytes; a key has 1 to {DOCUMENT_KEY_BYTES_MAX}"
            )));
        }
    }
    for keys in routes.iter_mut().filter(|keys| keys.len() > 1) {
        // A document that is named twice takes the event in once.
        let mut seen = HashSet::with_capacity(keys.len());
        let is_first: Vec<bool> = keys.iter().map(|key| seen.insert(key.as_str())).collect();
        let mut is_first = is_first.into_iter();
        keys.retain(|_| is_first.next().unwrap_or(true));
    }
    Ok(routes)
}

pub(crate) fn effects(
    given: Vec<projections::Effect>,
    events: &[Event<'_>],
    limits: &Limits,
) -> Result<Vec<Effect>, CallErrorKind> {
    let effects_max = limits.events_per_command_max.saturating_mul(events.len() as u64);
    check_count(given.len(), effects_max, "the answer to these events", "effects", "events_per_command_max")?;
    let mut effects = Vec::with_capacity(given.len());
    for projections::Effect { position, kind, target, key, payload } in given {
        if events.binary_search_by_key(&position, |event| event.position).is_err() {
            let problem =
                format!("it names position {position} for effect {kind:.80?}, where no event of this call is");
            return Err(misbehaved(problem));
        }
        check_size(
            kind.len() + target.len() + key.len() + payload.len(),
            limits.event_bytes_max,
            "event_bytes_max",
            || format!("effect {kind:.80?}"),
        )?;
        check_json(&payload, limits.event_bytes_max, "event_bytes_max", &Numbers::NONE, || {
            format!("effect {kind:.80?}")
        })?;
        effects.push(Effect { position, kind, target, key, payload });
    }
    Ok(effects)
}

pub(crate) fn document(
    saved: Option<Vec<u8>>,
    limits: &Limits,
    numbers: &Numbers,
) -> Result<Option<Vec<u8>>, CallErrorKind> {
    if let Some(document) = &saved {
        check_json(document, limits.state_bytes_max, "state_bytes_max", numbers, || "the document".into())?;
    }
    Ok(saved)
}

fn misbehaved(problem: String) -> CallErrorKind {
    CallErrorKind::Misbehaved(problem)
}

fn check_count(
    count: usize,
    count_max: u64,
    what: &str,
    unit: &'static str,
    limit: &'static str,
) -> Result<(), CallErrorKind> {
    if count as u64 <= count_max {
        return Ok(());
    }
    let (what, actual, max) = (what.to_owned(), count as u64, count_max);
    Err(OverLimit { what, unit, actual, max, limit }.into())
}

fn check_size(
    bytes: usize,
    bytes_max: u64,
    limit: &'static str,
    what: impl FnOnce() -> String,
) -> Result<(), CallErrorKind> {
    if bytes as u64 <= bytes_max {
        return Ok(());
    }
    Err(OverLimit { what: what(), unit: "bytes", actual: bytes as u64, max: bytes_max, limit }.into())
}

/// Checks that the bytes are JSON, that they are at most `bytes_max` and not nested too deep, and that no number in
/// them was lost.
fn check_json(
    bytes: &[u8],
    bytes_max: u64,
    limit: &'static str,
    numbers: &Numbers,
    what: impl Fn() -> String,
) -> Result<(), CallErrorKind> {
    check_size(bytes.len(), bytes_max, limit, &what)?;
    match polder_core::check_json(bytes) {
        Ok(()) => numbers.check(bytes).map_err(|problem| misbehaved(format!("{} {problem}", what()))),
        Err(JsonError::TooDeep { depth }) => {
            let (actual, max) = (depth as u64, JSON_DEPTH_MAX as u64);
            Err(OverLimit { what: what(), unit: "levels", actual, max, limit: JSON_DEPTH_LIMIT }.into())
        }
        Err(problem) => Err(misbehaved(format!("{} {problem}", what()))),
    }
}
