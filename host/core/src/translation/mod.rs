//! The context bridge: rules that translate one context's events into another's vocabulary. An event that a rule
//! matches becomes a message of another kind with another payload, and further rules may match that message.
//! Translation is pure: the same event and rules always give the same messages, so the host can compute later what it
//! published.

mod check;
mod fields;
mod kind;
mod limits;
mod path;
mod rule;
mod source;
mod text;

pub use check::RulesError;
pub use fields::Field;
pub use kind::{EventKind, KindError};
pub use limits::{HOPS_MAX, RULES_MAX, TRANSLATION_BYTES_MAX, TRANSLATIONS_PER_EVENT_MAX};
pub use path::{Path, PathError};
pub use rule::Rule;
pub use text::{Text, TextError};

use serde::{Deserialize, Serialize};

use crate::Event;
use source::Source;

/// All rules of a tenant, in order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rules(Vec<Rule>);

/// An event in another context's vocabulary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translation {
    pub kind: EventKind,
    /// The payload as JSON.
    pub payload: String,
    /// Number of rules that led to this message, including those that led to the event itself.
    pub hops: u32,
}

/// Why a matching rule made no message. The event itself is not affected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeftOut {
    #[error("to {0}: it was translated {HOPS_MAX} times before, so it goes round in a loop")]
    Loop(EventKind),
    #[error("to {0}: the payload would have more than {TRANSLATION_BYTES_MAX} bytes; pick less of it")]
    TooLarge(EventKind),
    #[error("to {0}: the event became {TRANSLATIONS_PER_EVENT_MAX} messages already")]
    TooMany(EventKind),
}

impl Rules {
    /// Checks the rules.
    ///
    /// # Errors
    /// Fails if the rules form a loop, or exceed a limit.
    pub fn checked(rules: Vec<Rule>) -> Result<Self, RulesError> {
        check::check(&rules)?;
        Ok(Self(rules))
    }

    pub fn as_slice(&self) -> &[Rule] {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Translates an event. Returns the messages in the order of the rules, followed by the messages made from those;
    /// and the rules that made none, with the reason.
    pub fn translate(&self, event: &Event) -> (Vec<Translation>, Vec<LeftOut>) {
        let (mut made, mut left_out) = (Vec::<Translation>::new(), Vec::new());
        if self.0.is_empty() {
            return (made, left_out);
        }
        self.apply(event, &EventKind::of(event), event.payload.get(), event.hops, &mut made, &mut left_out);
        let mut next = 0;
        while let Some(Translation { kind, payload, hops }) = made.get(next).cloned() {
            self.apply(event, &kind, &payload, hops, &mut made, &mut left_out);
            next += 1;
        }
        (made, left_out)
    }

    fn apply(
        &self,
        event: &Event,
        kind: &EventKind,
        payload: &str,
        hops: u32,
        made: &mut Vec<Translation>,
        left_out: &mut Vec<LeftOut>,
    ) {
        let subject = kind.to_string();
        for rule in self.0.iter().filter(|rule| rule.matches(&subject)) {
            let to = rule.to.clone();
            if hops >= HOPS_MAX {
                left_out.push(LeftOut::Loop(to));
            } else if made.len() >= TRANSLATIONS_PER_EVENT_MAX {
                left_out.push(LeftOut::TooMany(to));
            } else {
                match rule.payload(&Source { event, kind, payload }) {
                    Some(payload) => made.push(Translation { kind: to, payload, hops: hops + 1 }),
                    None => left_out.push(LeftOut::TooLarge(to)),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(payload: &str) -> Event {
        let payload: serde_json::Value = serde_json::from_str(payload).unwrap();
        serde_json::from_value(serde_json::json!({
            "id": crate::ContentId::from_digest([7; 32]).to_string(), "position": 4, "domain": "policies",
            "aggregate": "access-control", "aggregate_id": "p-1", "sequence": 2, "name": "updated", "version": 1,
            "at_ms": 5, "command_id": "c", "correlation_id": "c", "actor": "ann", "payload": payload
        }))
        .unwrap()
    }

    fn rules(text: &str) -> Rules {
        Rules::checked(serde_json::from_str(text).unwrap()).unwrap()
    }

    fn made(rules: &str, payload: &str) -> Vec<(String, String, u32)> {
        let (made, left_out) = self::rules(rules).translate(&event(payload));
        assert_eq!(left_out, []);
        made.into_iter().map(|one| (one.kind.to_string(), one.payload, one.hops)).collect()
    }

    #[test]
    fn an_event_becomes_what_its_rules_say() {
        let rules = r#"[
            {"from": "policies.access-control.updated.v1", "to": "audit.entry.recorded.v1", "fields": {
                "what": {"value": {"kind": "policy"}},
                "who": {"pick": "$actor"},
                "which": {"pick": "$aggregate_id"},
                "role": {"pick": "change.roles.1"},
                "amount": {"pick": "amount"},
                "missing": {"pick": "change.nothing"},
                "summary": {"text": "{$actor} changed {change.name} {{v{$version}}}: {change.roles}{nothing}"}
            }},
            {"from": "policies.>", "to": "notices.notice.sent.v2"},
            {"from": "orders.>", "to": "notices.notice.ignored.v1"}
        ]"#;
        let payload = r#"{"change": {"name": "door", "roles": ["a", "b"]}, "amount": 12345678901234567890123}"#;
        let event: Event = {
            let mut event = event("{}");
            event.payload = serde_json::value::RawValue::from_string(payload.to_owned()).unwrap();
            event
        };
        let (made, left_out) = self::rules(rules).translate(&event);
        assert_eq!(left_out, []);
        let translated: Vec<_> =
            made.iter().map(|one| (one.kind.to_string(), one.payload.as_str(), one.hops)).collect();
        let entry = r#"{"amount":12345678901234567890123,"role":"b","summary":"ann changed door {v1}: [\"a\", \"b\"]","what":{"kind":"policy"},"which":"p-1","who":"ann"}"#;
        // A number keeps all its digits, and a payload without field rules is not changed.
        assert_eq!(
            translated,
            [("audit.entry.recorded.v1".to_owned(), entry, 1), ("notices.notice.sent.v2".to_owned(), payload, 1)]
        );
    }

    #[test]
    fn a_rules_result_is_matched_again() {
        let rules = r#"[
            {"from": "audit.entry.*.v1", "to": "archive.page.written.v1", "fields": {"of": {"pick": "$domain"}, "n": {"pick": "m"}}},
            {"from": "*.*.*.*", "except": ["audit.>", "archive.>"], "to": "audit.entry.recorded.v1", "fields": {"m": {"pick": "n"}}}
        ]"#;
        assert_eq!(
            made(rules, r#"{"n": 7}"#),
            [
                ("audit.entry.recorded.v1".to_owned(), r#"{"m":7}"#.to_owned(), 1),
                ("archive.page.written.v1".to_owned(), r#"{"n":7,"of":"audit"}"#.to_owned(), 2),
            ]
        );
    }

    #[test]
    fn a_loop_ends_by_its_hops() {
        let rules = rules(r#"[{"from": "policies.>", "to": "audit.entry.recorded.v1"}]"#);
        let event = |hops| Event { hops, ..event("{}") };
        assert_eq!(rules.translate(&event(HOPS_MAX - 1)).0.len(), 1);
        let (made, left_out) = rules.translate(&event(HOPS_MAX));
        assert_eq!((made.len(), left_out.len()), (0, 1));
        assert!(left_out[0].to_string().contains("loop"), "{left_out:?}");
        // Recorded rules that were never checked must end too.
        let unchecked: Rules = serde_json::from_str(
            r#"[{"from": "*.>", "to": "policies.access-control.updated.v1"}, {"from": "*.>", "to": "a.b.c.v1"}]"#,
        )
        .unwrap();
        let (made, left_out) = unchecked.translate(&event(0));
        assert_eq!(made.len(), TRANSLATIONS_PER_EVENT_MAX);
        assert!(!left_out.is_empty());
    }

    #[test]
    fn a_payload_that_grows_too_large_is_left_out() {
        let text = "{long}".repeat(100);
        let rules = rules(&format!(
            r#"[{{"from": "policies.>", "to": "audit.entry.recorded.v1", "fields": {{"all": {{"text": "{text}"}}}}}}]"#
        ));
        let (made, left_out) = rules.translate(&event(&format!(r#"{{"long": "{}"}}"#, "x".repeat(60_000))));
        assert_eq!((made.len(), left_out.len()), (0, 1));
        assert_eq!(
            rules.translate(&event(r#"{"long": 1}"#)).0[0].payload,
            format!(r#"{{"all":"{}"}}"#, "1".repeat(100))
        );
    }
}
