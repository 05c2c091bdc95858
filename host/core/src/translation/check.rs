//! Checks of a tenant's rules before any event is translated: for loops, and for the number of messages that one event
//! may become. A rule's target is a single kind of event, so it is known exactly which rules match its result.

use super::fields::Field;
use super::limits::{HOPS_MAX, RULES_MAX, TRANSLATIONS_PER_EVENT_MAX};
use super::rule::Rule;
use crate::access::Pattern;

/// Maximum number of patterns in one rule's `except`.
const EXCEPTIONS_MAX: usize = 32;
/// Maximum number of members of one translated payload.
const FIELDS_MAX: usize = 64;
/// Maximum length of a member's name, in bytes.
const FIELD_NAME_BYTES_MAX: usize = 128;
/// Maximum length of a constant value as JSON, in bytes.
const VALUE_BYTES_MAX: usize = 4_096;

/// Why a tenant's rules are refused. Rules are numbered from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    #[error("rule {rule}: {what} has {found}, and {allowed} are allowed")]
    Beyond { rule: usize, what: String, found: usize, allowed: usize },
    #[error("there are {found} rules, and {RULES_MAX} are allowed")]
    TooMany { found: usize },
    #[error(
        "rule {rule}: {pattern:?} matches no kind of event: these have four tokens, as in policies.access-control.updated.v1, policies.> or *.*.*.v1"
    )]
    MatchesNothing { rule: usize, pattern: String },
    #[error(
        "the rules go round in a loop: {}; exclude what a rule makes from the rules that take it, as in \"except\": [{to:?}]",
        round(rules)
    )]
    Loop { rules: Vec<usize>, to: String },
    #[error("rule {rule} begins a chain of {found} rules, and {HOPS_MAX} are allowed")]
    Chain { rule: usize, found: usize },
    #[error("one event could become {found} messages, and {TRANSLATIONS_PER_EVENT_MAX} are allowed")]
    TooMuch { found: usize },
}

fn round(rules: &[usize]) -> String {
    let takes: Vec<String> = rules
        .iter()
        .zip(rules.iter().cycle().skip(1))
        .map(|(rule, next)| format!("rule {next} takes what rule {rule} makes"))
        .collect();
    takes.join(", ")
}

pub(super) fn check(rules: &[Rule]) -> Result<(), RulesError> {
    if rules.len() > RULES_MAX {
        return Err(RulesError::TooMany { found: rules.len() });
    }
    for (index, rule) in rules.iter().enumerate() {
        sizes(index + 1, rule)?;
    }
    let mut chains = Chains { rules, known: vec![None; rules.len()], path: Vec::new() };
    let mut messages = 0_usize;
    for rule in 0..rules.len() {
        let chain = chains.from(rule)?;
        if chain.length > HOPS_MAX as usize {
            return Err(RulesError::Chain { rule: rule + 1, found: chain.length });
        }
        messages = messages.saturating_add(chain.messages);
    }
    match messages > TRANSLATIONS_PER_EVENT_MAX {
        true => Err(RulesError::TooMuch { found: messages }),
        false => Ok(()),
    }
}

fn sizes(rule: usize, given: &Rule) -> Result<(), RulesError> {
    let within = |what: &dyn Fn() -> String, found: usize, allowed: usize| match found > allowed {
        true => Err(RulesError::Beyond { rule, what: what(), found, allowed }),
        false => Ok(()),
    };
    let any = Pattern::new("*.*.*.*").expect("stars make a pattern");
    for pattern in std::iter::once(&given.from).chain(&given.except) {
        if pattern.intersection(&any).is_none() {
            return Err(RulesError::MatchesNothing { rule, pattern: pattern.to_string() });
        }
    }
    within(&|| "\"except\"".to_owned(), given.except.len(), EXCEPTIONS_MAX)?;
    let fields = given.fields.iter().flatten();
    within(&|| "\"fields\"".to_owned(), fields.clone().count(), FIELDS_MAX)?;
    for (name, field) in fields {
        let shown: String = name.chars().take(40).collect();
        within(&|| format!("the name of field {shown:?}, in bytes,"), name.len(), FIELD_NAME_BYTES_MAX)?;
        if let Field::Value(value) = field {
            within(&|| format!("the value of field {shown:?}, in bytes,"), value.to_string().len(), VALUE_BYTES_MAX)?;
        }
    }
    Ok(())
}

/// What follows from one rule.
#[derive(Clone, Copy)]
struct Chain {
    /// Length of the longest chain of rules that begins with this one, itself included.
    length: usize,
    /// Number of messages that the rule makes, including all that further rules make of them.
    messages: usize,
}

struct Chains<'a> {
    rules: &'a [Rule],
    known: Vec<Option<Chain>>,
    /// The rules that led to the current one.
    path: Vec<usize>,
}

impl Chains<'_> {
    /// Computes the chain of a rule. The recursion is at most as deep as there are rules, because a rule that leads to
    /// itself is a loop.
    fn from(&mut self, rule: usize) -> Result<Chain, RulesError> {
        if let Some(known) = self.known[rule] {
            return Ok(known);
        }
        if let Some(begin) = self.path.iter().position(|before| *before == rule) {
            let rules = self.path[begin..].iter().map(|rule| rule + 1).collect();
            let last = *self.path.last().unwrap_or(&rule);
            return Err(RulesError::Loop { rules, to: self.rules[last].to.to_string() });
        }
        self.path.push(rule);
        let made = self.rules[rule].to.to_string();
        let mut chain = Chain { length: 1, messages: 1 };
        for next in 0..self.rules.len() {
            if self.rules[next].matches(&made) {
                let Chain { length, messages } = self.from(next)?;
                chain.length = chain.length.max(length + 1);
                chain.messages = chain.messages.saturating_add(messages);
            }
        }
        self.path.pop();
        self.known[rule] = Some(chain);
        Ok(chain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks rules that are given as pairs of `from` and `to`.
    fn checked(rules: &[(&str, &str)]) -> Result<(), String> {
        let rules: Vec<Rule> = rules
            .iter()
            .map(|(from, to)| serde_json::from_value(serde_json::json!({"from": from, "to": to})).unwrap())
            .collect();
        check(&rules).map_err(|error| error.to_string())
    }

    #[test]
    fn loops_are_refused_and_named() {
        assert_eq!(checked(&[("a.>", "b.b.b.v1"), ("b.>", "c.c.c.v1"), ("a.*.*.v1", "c.c.c.v1")]), Ok(()));
        let message = checked(&[("*.*.*.*", "audit.entry.recorded.v1")]).unwrap_err();
        assert!(
            message.contains("rule 1 takes what rule 1 makes") && message.contains("\"audit.entry.recorded.v1\""),
            "{message}"
        );
        let message =
            checked(&[("x.>", "a.a.a.v1"), ("a.>", "b.b.b.v1"), ("b.*.*.v1", "c.c.c.v1"), ("c.>", "a.b.c.v2")]);
        let message = message.unwrap_err();
        let steps = "rule 3 takes what rule 2 makes, rule 4 takes what rule 3 makes, rule 2 takes what rule 4 makes";
        assert!(message.contains(steps), "{message}");
        assert_eq!(checked(&[("a.>", "b.b.b.v1"), ("b.b.b.v2", "a.a.a.v1")]), Ok(()));
    }

    #[test]
    fn chains_rules_and_messages_are_bounded() {
        let chain = |rules: usize| {
            let names: Vec<(String, String)> =
                (0..rules).map(|rule| (format!("a{rule}.>"), format!("a{}.b.c.v1", rule + 1))).collect();
            checked(&names.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect::<Vec<_>>())
        };
        assert_eq!(chain(8), Ok(()));
        assert!(chain(9).unwrap_err().contains("rule 1 begins a chain of 9 rules"), "{:?}", chain(9));
        let many = [("a.>", "b.b.b.v1")].repeat(33);
        assert!(checked(&many).unwrap_err().contains("33 rules"));
        assert_eq!(checked(&many[..32]), Ok(()));
        let wide = [[("a.>", "b.b.b.v1")].repeat(10), [("b.>", "c.c.c.v1")].repeat(10)].concat();
        assert!(checked(&wide).unwrap_err().contains("120 messages"), "{:?}", checked(&wide));
    }

    #[test]
    fn a_pattern_that_matches_no_kind_is_refused() {
        for from in ["policies", "policies.*.*", "a.b.c.v1.d", "a.b.c.d.>"] {
            let message = checked(&[(from, "b.b.b.v1")]).unwrap_err();
            assert!(message.contains("rule 1") && message.contains("four tokens"), "{message}");
        }
    }
}
