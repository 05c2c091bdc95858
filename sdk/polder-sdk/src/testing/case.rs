//! A case as data: its parsed lines, checked against the domain's commands, events and projections. It runs nothing.

use serde_json::Value;

use super::text::{fields, word};
use crate::domain::Domain;
use crate::messages::EventRef;
use crate::timestamp::Timestamp;

/// 2026-01-01T00:00:00Z, so that no test depends on the current time.
const AT_MS: u64 = 1_767_225_600_000;
const AGGREGATE_ID: &str = "case-1";
pub(super) const COMMAND_ID: &str = "command-1";

pub(super) enum Case {
    Aggregate(AggregateCase),
    Projection(ProjectionCase),
}

pub(super) struct AggregateCase {
    pub(super) aggregate: String,
    pub(super) id: String,
    pub(super) given: Vec<Given>,
    pub(super) when: When,
    pub(super) then: Then,
    /// Fields that the state must have.
    pub(super) state: Option<Value>,
}

pub(super) struct Given {
    pub(super) aggregate: String,
    pub(super) aggregate_id: String,
    pub(super) sequence: u64,
    pub(super) position: u64,
    pub(super) name: String,
    pub(super) version: u32,
    pub(super) payload: Value,
    pub(super) json: Vec<u8>,
    pub(super) at_ms: u64,
}

impl Given {
    pub(super) fn event(&self) -> EventRef<'_> {
        EventRef {
            position: self.position,
            aggregate: &self.aggregate,
            aggregate_id: &self.aggregate_id,
            sequence: self.sequence,
            name: &self.name,
            version: self.version,
            payload: &self.json,
            at_ms: self.at_ms,
        }
    }
}

pub(super) struct When {
    pub(super) name: String,
    pub(super) payload: Value,
    pub(super) at_ms: u64,
    pub(super) actor: Option<String>,
}

pub(super) enum Then {
    Events(Vec<Fact>),
    Rejected { code: String, words: String },
}

/// An event, reduced to its content.
#[derive(PartialEq)]
pub(super) struct Fact {
    pub(super) name: String,
    pub(super) version: u32,
    pub(super) payload: Value,
}

pub(super) struct ProjectionCase {
    pub(super) projection: String,
    pub(super) given: Vec<Given>,
    /// The keys of the documents, and the fields that each must have.
    pub(super) documents: Vec<(String, Value)>,
    pub(super) effects: Vec<ExpectedEffect>,
}

/// An effect, as a case writes it.
#[derive(Debug, PartialEq)]
pub(super) struct ExpectedEffect {
    pub(super) kind: String,
    pub(super) target: String,
    pub(super) key: String,
    pub(super) payload: Value,
}

impl Case {
    pub(super) fn parse(domain: &Domain, text: &str) -> Result<Self, String> {
        let catalog: Value = serde_json::from_str(domain.describe()).map_err(|error| error.to_string())?;
        let mut draft = Draft::new(&catalog);
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                draft.line(line).map_err(|problem| format!("line {} of the case: {line}\n  {problem}", number + 1))?;
            }
        }
        draft.finish()
    }
}

/// The result of the lines read so far.
struct Draft<'a> {
    catalog: &'a Value,
    aggregate: Option<(String, String)>,
    projection: Option<String>,
    at_ms: u64,
    actor: Option<String>,
    given: Vec<Given>,
    when: Option<When>,
    then: Option<Then>,
    state: Option<Value>,
    documents: Vec<(String, Value)>,
    effects: Vec<ExpectedEffect>,
    /// Whether a `then` line was read.
    concluded: bool,
}

impl<'a> Draft<'a> {
    fn new(catalog: &'a Value) -> Self {
        Self {
            catalog,
            aggregate: None,
            projection: None,
            at_ms: AT_MS,
            actor: None,
            given: Vec::new(),
            when: None,
            then: None,
            state: None,
            documents: Vec::new(),
            effects: Vec::new(),
            concluded: false,
        }
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        let (keyword, rest) = word(line);
        match keyword {
            "aggregate" => {
                let (name, id) = word(rest);
                self.known("aggregates", name)?;
                self.aggregate = Some((name.to_owned(), if id.is_empty() { AGGREGATE_ID } else { id }.to_owned()));
            }
            "projection" => {
                self.known("projections", rest)?;
                self.projection = Some(rest.to_owned());
            }
            "at" => {
                let at: Timestamp = rest.parse().map_err(|error| format!("{error}"))?;
                self.at_ms = u64::try_from(at.unix_ms()).map_err(|_| "no event is older than 1970".to_owned())?;
            }
            "actor" => self.actor = Some(rest.to_owned()),
            "given" => self.given(rest)?,
            "when" => {
                let (name, payload) = word(rest);
                let when = When {
                    name: name.to_owned(),
                    payload: fields(payload)?,
                    at_ms: self.at_ms,
                    actor: self.actor.clone(),
                };
                if self.when.replace(when).is_some() {
                    return Err("a case has one command".to_owned());
                }
            }
            "then" if self.projection.is_some() => self.then_projected(rest)?,
            "then" => self.then(rest)?,
            "state" => self.state = Some(fields(rest)?),
            _ => {
                return Err(format!(
                    "{keyword:?} starts no line; these do: aggregate, projection, at, actor, given, when, then, state"
                ));
            }
        }
        Ok(())
    }

    fn given(&mut self, rest: &str) -> Result<(), String> {
        let (aggregate, aggregate_id, rest) = if self.projection.is_some() {
            let (address, rest) = word(rest);
            let (aggregate, id) =
                address.split_once('/').ok_or("in a case of a projection: given order/o-1 order-drafted …")?;
            self.known("aggregates", aggregate)?;
            (aggregate.to_owned(), id.to_owned(), rest)
        } else {
            let (aggregate, id) = self.subject()?;
            (aggregate, id, rest)
        };
        let (name, payload) = word(rest);
        let (name, version) = self.event(&aggregate, name)?;
        let payload = fields(payload)?;
        let earlier = |given: &&Given| given.aggregate == aggregate && given.aggregate_id == aggregate_id;
        let sequence = self.given.iter().filter(earlier).count() as u64 + 1;
        self.given.push(Given {
            position: self.given.len() as u64 + 1,
            sequence,
            aggregate,
            aggregate_id,
            name,
            version,
            json: payload.to_string().into_bytes(),
            payload,
            at_ms: self.at_ms,
        });
        Ok(())
    }

    fn then(&mut self, rest: &str) -> Result<(), String> {
        self.concluded = true;
        let (first, rest) = word(rest);
        let (aggregate, _) = self.subject()?;
        match (first, &mut self.then) {
            ("rejected", None) => {
                let (code, words) = word(rest);
                self.then = Some(Then::Rejected { code: code.to_owned(), words: words.to_owned() });
            }
            ("nothing", None) => self.then = Some(Then::Events(Vec::new())),
            ("rejected" | "nothing", Some(_)) | (_, Some(Then::Rejected { .. })) => {
                return Err("this contradicts the line before".to_owned());
            }
            (event, _) => {
                let (name, version) = self.event(&aggregate, event)?;
                let fact = Fact { name, version, payload: fields(rest)? };
                match &mut self.then {
                    Some(Then::Events(facts)) => facts.push(fact),
                    _ => self.then = Some(Then::Events(vec![fact])),
                }
            }
        }
        Ok(())
    }

    fn then_projected(&mut self, rest: &str) -> Result<(), String> {
        self.concluded = true;
        let (first, rest) = word(rest);
        match first {
            "nothing" => {}
            "document" => {
                let (key, shows) = word(rest);
                self.documents.push((key.to_owned(), fields(shows)?));
            }
            "effect" => {
                let (kind, rest) = word(rest);
                let (target, rest) = word(rest);
                let (key, rest) = word(rest);
                self.effects.push(ExpectedEffect {
                    kind: kind.to_owned(),
                    target: target.to_owned(),
                    key: key.to_owned(),
                    payload: fields(rest)?,
                });
            }
            _ => return Err("of a projection: then document …, then effect …, or then nothing".to_owned()),
        }
        Ok(())
    }

    fn finish(self) -> Result<Case, String> {
        if !self.concluded {
            return Err("the case has no line with then".to_owned());
        }
        if let Some(projection) = self.projection {
            return match self.when {
                Some(_) => Err("a case of a projection has no command".to_owned()),
                None => Ok(Case::Projection(ProjectionCase {
                    projection,
                    given: self.given,
                    documents: self.documents,
                    effects: self.effects,
                })),
            };
        }
        let (aggregate, id) = self.subject()?;
        let when = self.when.ok_or("the case has no line with when")?;
        let then = self.then.ok_or("the case has no line with then")?;
        Ok(Case::Aggregate(AggregateCase { aggregate, id, given: self.given, when, then, state: self.state }))
    }

    /// The aggregate of the case: the one that it names, or the only one of the domain.
    fn subject(&self) -> Result<(String, String), String> {
        if let Some(subject) = &self.aggregate {
            return Ok(subject.clone());
        }
        let names = self.names("aggregates");
        match names.as_slice() {
            [only] => Ok(((*only).to_owned(), AGGREGATE_ID.to_owned())),
            names => Err(format!("say which aggregate with: aggregate {} {AGGREGATE_ID}", names.join("|"))),
        }
    }

    fn known(&self, kind: &str, name: &str) -> Result<(), String> {
        let names = self.names(kind);
        if names.contains(&name) {
            return Ok(());
        }
        Err(format!("{name:?} is not among the {kind} of the domain: {}", names.join(", ")))
    }

    fn names(&self, kind: &str) -> Vec<&'a str> {
        self.catalog[kind].as_object().map(|entries| entries.keys().map(String::as_str).collect()).unwrap_or_default()
    }

    /// Reads `order-drafted`, or `order-drafted@1` for a version other than the newest.
    fn event(&self, aggregate: &str, word: &str) -> Result<(String, u32), String> {
        let (name, version) = match word.split_once('@') {
            Some((name, version)) => (name, Some(version.parse().map_err(|_| format!("{version:?} is no version"))?)),
            None => (word, None),
        };
        let events = &self.catalog["aggregates"][aggregate]["events"];
        let Some(event) = events.get(name) else {
            let names: Vec<&String> = events.as_object().map(|events| events.keys().collect()).unwrap_or_default();
            return Err(format!("{name:?} is not among the events of {aggregate}: {names:?}"));
        };
        let newest = event["version"].as_u64().and_then(|version| u32::try_from(version).ok()).unwrap_or(1);
        Ok((name.to_owned(), version.unwrap_or(newest)))
    }
}
