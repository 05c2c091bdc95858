//! What the gate found, as it is recorded with the deployment and told to whoever deploys.

use std::fmt;

use polder_core::{Position, Sequence};
use serde::{Deserialize, Serialize};

use super::difference::Difference;
use super::places::DifferingPlace;

/// Everything that the gate found out. A revision passes when nothing is refused.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The tenant's history was looked at up to here.
    pub position: Position,
    /// How many events of the domain there are up to there.
    pub events: u64,
    pub replay: ReplayReport,
    /// Differing states were said to be wanted.
    pub changes_accepted: bool,
    /// Why the revision may not take over; empty when it may.
    pub refusals: Vec<GateRefusal>,
    pub took_ms: u64,
}

/// What was folded by both revisions, and what came out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ReplayReport {
    /// Not all histories: the newest, the longest, and some of the others.
    pub is_sample: bool,
    pub aggregates: u64,
    pub events: u64,
    /// Aggregates that come out otherwise than with the revision before.
    pub differing: u64,
    /// Where they differ, with how many of them do so there: the most frequent places first.
    #[serde(default)]
    pub places: Vec<DifferingPlace>,
    /// The first few of them.
    pub differences: Vec<Difference>,
    /// Aggregates whose history the revision before cannot fold itself, so that there is nothing to compare with.
    pub uncompared: u64,
    pub took_ms: u64,
}

/// Why a revision may not take over. The author's to fix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum GateRefusal {
    /// The sandbox would not have it at all.
    NotAdmitted { problem: String },
    /// It could not even start within the tenant's limits.
    TooLarge { what: String, needed: u64, allowed: u64 },
    /// The history holds what its descriptor does not say it reads.
    UnreadableEvents { events: Vec<UnreadableEvents> },
    /// It failed over a history.
    Fault { place: EventPlace, event: String, version: u32, problem: String },
    /// States come out otherwise, and nobody said that this is wanted.
    DifferingStates { differing: u64, aggregates: u64 },
    /// Its chart has no place for where some aggregates are.
    LostStates { aggregate: String, states: Vec<LostState> },
}

/// Events of one name and version that the history holds and the revision cannot read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadableEvents {
    pub event: String,
    pub version: u32,
    pub count: u64,
    pub first: EventPlace,
}

/// Where an event is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventPlace {
    pub aggregate: String,
    pub id: String,
    pub sequence: Sequence,
    pub position: Position,
}

/// A state of a chart that is gone, and how many aggregates are in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostState {
    pub state: String,
    pub aggregates: u64,
}

impl Verdict {
    pub fn passed(&self) -> bool {
        self.refusals.is_empty()
    }
}

impl fmt::Display for EventPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { aggregate, id, sequence, position } = self;
        write!(f, "{aggregate} {id} at sequence {sequence}, position {position}")
    }
}

impl fmt::Display for GateRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAdmitted { problem } => f.write_str(problem),
            Self::TooLarge { what, needed, allowed } => {
                write!(f, "it needs {what}: {needed}; the tenant's limits allow {allowed}")
            }
            Self::UnreadableEvents { events } => {
                f.write_str("it cannot read what the history holds: ")?;
                for (number, UnreadableEvents { event, version, count, first }) in events.iter().enumerate() {
                    let comma = if number == 0 { "" } else { "; " };
                    write!(f, "{comma}{event} version {version}, {}, first for {first}", counted(*count, "event"))?;
                }
                Ok(())
            }
            Self::Fault { place, event, version, problem } => {
                write!(f, "it failed over {event} version {version} of {place}: {problem}")
            }
            Self::DifferingStates { differing, aggregates } => {
                write!(
                    f,
                    "{differing} of {aggregates} states come out otherwise than before; accept the changes if they are wanted"
                )
            }
            Self::LostStates { aggregate, states } => {
                write!(f, "the chart of {aggregate} has lost states that are in use: ")?;
                for (number, LostState { state, aggregates }) in states.iter().enumerate() {
                    let comma = if number == 0 { "" } else { ", " };
                    write!(f, "{comma}{state} ({aggregates})")?;
                }
                let example = states.first().map(|lost| lost.state.as_str()).unwrap_or_default();
                write!(
                    f,
                    "; if such a state only has another name now, keep the stored one with #[serde(rename = \"{example}\")] at its \
                     variant; else bring these aggregates into other states first"
                )
            }
        }
    }
}

fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// In a line: why not, or what was looked at.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, refusal) in self.refusals.iter().enumerate() {
            let comma = if number == 0 { "" } else { "; " };
            write!(f, "{comma}{refusal}")?;
        }
        if !self.passed() {
            return Ok(());
        }
        let ReplayReport { is_sample, aggregates, events, differing, uncompared, .. } = &self.replay;
        let which = if *is_sample { "a sample of " } else { "" };
        write!(f, "replayed {which}{} of {}, ", counted(*events, "event"), counted(*aggregates, "aggregate"))?;
        match differing {
            0 => f.write_str("no state differs")?,
            1 => f.write_str("1 state differs, accepted")?,
            more => write!(f, "{more} states differ, accepted")?,
        }
        if *uncompared > 0 {
            write!(f, "; {uncompared} could not be compared, as the revision before fails over them")?;
        }
        Ok(())
    }
}
