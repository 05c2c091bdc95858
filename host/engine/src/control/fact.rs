//! The format of facts in the host's own history, and the trait for reading them. Knows nothing of where they are
//! stored.

use std::collections::BTreeMap;

use polder_core::{AggregateId, ContentId, Position, Sequence, TimestampMs};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// The facts of one domain of the host's own history: an enum that derives `Serialize` and `Deserialize`. Each variant
/// has named fields, which are the event's payload. Serde's name of the variant is the name of the event:
/// `revision-activated`. Version 2 of an event is a variant named `revision-activated@2`; both remain readable for
/// ever.
pub(crate) trait Fact: Serialize + DeserializeOwned {
    const DOMAIN: &'static str;
    const AGGREGATE: &'static str;

    /// The aggregate that the fact is about.
    fn aggregate_id(&self) -> AggregateId;
}

/// Time, actor and place of a recorded fact.
#[derive(Debug, Clone)]
#[allow(dead_code, reason = "each registry takes what it needs")]
pub(crate) struct Recorded {
    pub(crate) position: Position,
    pub(crate) sequence: Sequence,
    pub(crate) id: ContentId,
    pub(crate) at_ms: TimestampMs,
    /// The actor of the act. `None` if none was named.
    pub(crate) actor: Option<String>,
}

/// The state that follows from the facts of one domain.
pub(crate) trait Registry {
    type Fact: Fact;

    fn fold(&mut self, fact: Self::Fact, noted: &Recorded);
}

/// A registry of any type of facts, as readers of the stream use it.
pub(crate) trait ReadFacts {
    fn domain(&self) -> &'static str;

    /// Reads a fact. Fails if this version does not know the fact; the error names the known ones.
    fn read(&mut self, event: &Written<'_>, noted: &Recorded) -> serde_json::Result<()>;
}

/// A fact as it is stored.
pub(crate) struct Written<'a> {
    pub(crate) name: &'a str,
    pub(crate) version: u32,
    pub(crate) payload: &'a str,
}

impl<B: Registry> ReadFacts for B {
    fn domain(&self) -> &'static str {
        B::Fact::DOMAIN
    }

    fn read(&mut self, event: &Written<'_>, noted: &Recorded) -> serde_json::Result<()> {
        self.fold(event.fact()?, noted);
        Ok(())
    }
}

impl Written<'_> {
    fn fact<F: Fact>(&self) -> serde_json::Result<F> {
        let Self { name, version, payload } = self;
        let tag = if *version == 1 { (*name).to_owned() } else { format!("{name}@{version}") };
        serde_json::from_str(&format!("{{{}:{payload}}}", serde_json::Value::String(tag)))
    }
}

/// Name, version and payload of a fact.
pub(super) fn written(fact: &impl Fact) -> (String, u32, Vec<u8>) {
    let text = serde_json::to_string(fact).expect("names, numbers and texts are always JSON");
    let tagged: BTreeMap<String, Box<RawValue>> =
        serde_json::from_str(&text).expect("a variant with named fields is an object with one member");
    let (tag, payload) = tagged.into_iter().next().expect("the member is the variant");
    let (name, version) = match tag.split_once('@') {
        Some((name, version)) => (name.to_owned(), version.parse().expect("a version is a number")),
        None => (tag, 1),
    };
    (name, version, payload.get().as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Weather {
        RainFell {
            place: String,
            litres: u64,
        },
        #[serde(rename = "rain-fell@2")]
        RainMeasured {
            litres: u64,
        },
    }

    impl Fact for Weather {
        const DOMAIN: &'static str = "weather";
        const AGGREGATE: &'static str = "place";

        fn aggregate_id(&self) -> AggregateId {
            AggregateId::new("here").unwrap()
        }
    }

    fn read(name: &str, version: u32, payload: &str) -> serde_json::Result<Weather> {
        Written { name, version, payload }.fact()
    }

    #[test]
    fn a_fact_is_written_as_an_event_and_read_back() {
        let rain = || Weather::RainFell { place: "here".into(), litres: 3 };
        let (name, version, payload) = written(&rain());
        let payload = String::from_utf8(payload).unwrap();
        assert_eq!((name.as_str(), version, payload.as_str()), ("rain-fell", 1, r#"{"place":"here","litres":3}"#));
        assert_eq!(read(&name, version, &payload).unwrap(), rain());

        let (name, version, payload) = written(&Weather::RainMeasured { litres: 3 });
        assert_eq!((name.as_str(), version, payload.as_slice()), ("rain-fell", 2, &br#"{"litres":3}"#[..]));
        assert_eq!(read("rain-fell", 2, r#"{"litres":4}"#).unwrap(), Weather::RainMeasured { litres: 4 });
    }

    #[test]
    fn unknown_facts_are_refused() {
        let error = read("snow-fell", 1, "{}").unwrap_err().to_string();
        assert!(error.contains("`snow-fell`") && error.contains("`rain-fell`"), "{error}");
        assert!(read("rain-fell", 3, "{}").unwrap_err().to_string().contains("rain-fell@3"));
        assert!(read("rain-fell", 1, r#"{"place":"here"}"#).unwrap_err().to_string().contains("litres"));
    }
}
