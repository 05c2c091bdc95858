//! A live command with its result, to be run again, and the comparison of the two results.

use std::sync::Arc;

use bytes::Bytes;
use polder_core::{AggregateId, AggregateName, CommandId, CommandName, Limits, Reason, Sequence, TimestampMs, counted};
use polder_journal::{AggregateKey, Reader};
use polder_sandbox::{CallErrorKind, GuestCommand};
use serde_json::Value;

use crate::folding::{FoldError, Wanted, fold_history};
use crate::tenancy::{Active, DecidedEvent, Domain, Tenant};

/// Of this number of commands of an instance, one is run again. Of its first commands more are run again: the 2nd, the
/// 4th, the 8th, and so on.
const AUDITED_SHARE: u64 = 1_024;

/// Whether the command with this number in its instance, counted from 1, is sampled. The first command is not, because
/// its instance is as fresh as that of the audit.
pub(crate) fn is_sampled(number: u64) -> bool {
    number.is_multiple_of(AUDITED_SHARE) || (number > 1 && number.is_power_of_two())
}

pub(crate) struct Sample {
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) domain: Arc<Domain>,
    pub(crate) active: Arc<Active>,
    pub(crate) limits: Limits,
    pub(crate) key: AggregateKey,
    pub(crate) sequence_before: Sequence,
    pub(crate) command: SampledCommand,
    pub(crate) decision: Result<Vec<DecidedEvent>, Reason>,
    /// The state after the command, as JSON. `None` if it is too long to be kept.
    pub(crate) state: Option<String>,
}

pub(crate) struct SampledCommand {
    pub(crate) aggregate: AggregateName,
    pub(crate) aggregate_id: AggregateId,
    pub(crate) id: CommandId,
    pub(crate) name: CommandName,
    pub(crate) payload: Bytes,
    pub(crate) at_ms: TimestampMs,
    pub(crate) actor: Option<String>,
}

/// Result of the second run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    Same,
    /// The runs differ; the text describes how.
    Differs(String),
    /// The second run could not be completed.
    Inconclusive(String),
}

impl Sample {
    /// Runs the command again, on the state that the journal has before it.
    pub(crate) fn run_again(&self, reader: &Reader, limits: &Limits) -> Finding {
        match self.try_again(reader, limits) {
            Ok(None) => Finding::Same,
            Ok(Some(what)) => Finding::Differs(what),
            Err(FoldError::Call(error)) if is_the_guests(&error.kind) => {
                Finding::Differs(format!("it failed: {error}"))
            }
            Err(error) => Finding::Inconclusive(error.to_string()),
        }
    }

    fn try_again(&self, reader: &Reader, limits: &Limits) -> Result<Option<String>, FoldError> {
        let command = &self.command;
        let mut instance = self.active.rules.instantiate(limits)?;
        let wanted = Wanted {
            key: self.key,
            aggregate: &command.aggregate,
            id: &command.aggregate_id,
            revision: &self.active.revision,
        };
        let folded = fold_history(&mut *instance, reader, wanted, self.sequence_before)?;
        let asked = GuestCommand {
            id: command.id.as_str(),
            name: command.name.as_str(),
            payload: &command.payload,
            at_ms: command.at_ms.0,
            actor: command.actor.as_deref(),
        };
        let handled = instance.handle(folded.state, &asked)?;
        if let Some(what) = decisions_differ(&self.decision, &handled.decision) {
            return Ok(Some(what));
        }
        let Some(state) = &self.state else { return Ok(None) };
        let again = instance.inspect(&handled.state)?;
        Ok((!is_same_json(state.as_bytes(), again.as_bytes()))
            .then(|| format!("the state was {}, and is {} when run again", shortened(state), shortened(&again))))
    }
}

/// Whether an error counts as a difference. Errors by resource limits do not: they may occur elsewhere in an instance
/// with another memory layout, or because the host is busy.
fn is_the_guests(kind: &CallErrorKind) -> bool {
    !matches!(
        kind,
        CallErrorKind::OutOfFuel { .. }
            | CallErrorKind::OutOfTime { .. }
            | CallErrorKind::OutOfMemory { .. }
            | CallErrorKind::HostMemory(_)
            | CallErrorKind::Interrupted
            | CallErrorKind::OverLimit(_)
            | CallErrorKind::AnswerTooLarge { .. }
            | CallErrorKind::Gone(_)
    )
}

fn decisions_differ(
    live: &Result<Vec<DecidedEvent>, Reason>,
    again: &Result<Vec<DecidedEvent>, Reason>,
) -> Option<String> {
    match (live, again) {
        (Ok(live), Ok(again)) => {
            if live.len() != again.len() {
                return Some(format!(
                    "it decided on {}, and on {} when run again",
                    counted(live.len(), "event"),
                    again.len()
                ));
            }
            live.iter().zip(again).enumerate().find_map(|(index, (live, again))| {
                let is_same = (&live.name, live.version) == (&again.name, again.version)
                    && is_same_json(&live.payload, &again.payload);
                (!is_same).then(|| {
                    format!("event {} was {}, and is {} when run again", index + 1, described(live), described(again))
                })
            })
        }
        (Err(live), Err(again)) if live == again => None,
        (Err(live), Err(again)) => {
            Some(format!("it was rejected with {}, and with {} when run again", live.code, again.code))
        }
        (Ok(_), Err(again)) => Some(format!("it was accepted, and is rejected with {} when run again", again.code)),
        (Err(live), Ok(_)) => Some(format!("it was rejected with {}, and is accepted when run again", live.code)),
    }
}

/// Compares JSON values. The order of an object's fields does not matter.
fn is_same_json(one: &[u8], other: &[u8]) -> bool {
    let parsed = |bytes| serde_json::from_slice::<Value>(bytes).ok();
    one == other || parsed(one).is_some_and(|one| Some(one) == parsed(other))
}

fn described(event: &DecidedEvent) -> String {
    format!("{}@{} {}", event.name, event.version, shortened(&String::from_utf8_lossy(&event.payload)))
}

fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 200;
    if text.chars().count() <= CHARS_MAX {
        return text.to_owned();
    }
    text.chars().take(CHARS_MAX).chain(" …".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use polder_core::EventName;

    fn event(name: &str, payload: &str) -> DecidedEvent {
        DecidedEvent { name: EventName::new(name).unwrap(), version: 1, payload: payload.as_bytes().to_vec() }
    }

    #[test]
    fn the_first_commands_and_one_in_many_are_sampled() {
        let sampled: Vec<u64> = (1..=4_096).filter(|number| is_sampled(*number)).collect();
        assert_eq!(sampled, [2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 3_072, 4_096]);
    }

    #[test]
    fn equal_results_do_not_differ() {
        let live = Ok(vec![event("a", r#"{"x":1,"y":2}"#)]);
        assert_eq!(decisions_differ(&live, &Ok(vec![event("a", r#"{"y":2, "x":1}"#)])), None);
        assert!(!is_same_json(b"[1,2]", b"[2,1]"), "the order in a list matters");
        assert!(!is_same_json(b"x", b"y"), "texts that are no JSON are compared as bytes");
    }

    #[test]
    fn a_difference_is_described() {
        let reason = |code: &str| Reason { code: code.into(), message: String::new() };
        let live = || Ok(vec![event("a", r#"{"x":1}"#)]);
        let cases = [
            (
                live(),
                Ok(vec![event("a", r#"{"x":2}"#)]),
                r#"event 1 was a@1 {"x":1}, and is a@1 {"x":2} when run again"#,
            ),
            (live(), Ok(vec![]), "it decided on 1 event, and on 0 when run again"),
            (live(), Err(reason("no")), "it was accepted, and is rejected with no when run again"),
            (Err(reason("no")), live(), "it was rejected with no, and is accepted when run again"),
            (Err(reason("no")), Err(reason("never")), "it was rejected with no, and with never when run again"),
        ];
        for (live, again, what) in cases {
            assert_eq!(decisions_differ(&live, &again).as_deref(), Some(what));
        }
    }
}
