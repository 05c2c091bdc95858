//! The result of the revision check. It is recorded with the deployment and returned to its caller.

use std::fmt;

use polder_core::{Position, Sequence, counted};
use serde::{Deserialize, Serialize};

use super::difference::Difference;
use super::places::DifferingPlace;

/// All results of the revision check. A revision passes when there are no refusals.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The position up to which the tenant's history was checked.
    pub position: Position,
    /// Number of events of the domain up to that position.
    pub events: u64,
    pub replay: ReplayReport,
    /// Whether the caller accepted changed states.
    pub changes_accepted: bool,
    /// The reasons why the revision may not take over; empty if it may.
    pub refusals: Vec<CheckRefusal>,
    pub took_ms: u64,
}

/// The extent of the replay, and its results.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ReplayReport {
    /// Whether only a sample was replayed: the newest and the longest histories, and some others.
    pub is_sample: bool,
    pub aggregates: u64,
    pub events: u64,
    /// Number of aggregates whose state differs from that of the revision before.
    pub differing: u64,
    /// The places where they differ, with the number of aggregates, the most frequent places first.
    #[serde(default)]
    pub places: Vec<DifferingPlace>,
    /// The first few differing aggregates.
    pub differences: Vec<Difference>,
    /// Aggregates that the revision before cannot fold itself, so that there is no state to compare with.
    pub uncompared: u64,
    pub took_ms: u64,
}

/// The reason why a revision may not take over. The author has to fix it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum CheckRefusal {
    /// The sandbox refused the component.
    NotAdmitted { problem: String },
    /// The revision cannot start within the tenant's limits.
    TooLarge { what: String, needed: u64, allowed: u64 },
    /// The history holds events that the descriptor does not list as readable.
    UnreadableEvents { events: Vec<UnreadableEvents> },
    /// The revision failed while it folded a history.
    Fault { place: EventPlace, event: String, version: u32, problem: String },
    /// States differ, and the caller has not accepted changes.
    DifferingStates { differing: u64, aggregates: u64 },
    /// Some aggregates are in a state that the new chart does not have.
    LostStates { aggregate: String, states: Vec<LostState> },
}

/// Events of one name and version that are in the history and that the revision cannot read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadableEvents {
    pub event: String,
    pub version: u32,
    pub count: u64,
    pub first: EventPlace,
}

/// The place of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventPlace {
    pub aggregate: String,
    pub id: String,
    pub sequence: Sequence,
    pub position: Position,
}

/// A removed state of a chart, and the number of aggregates in it.
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

impl fmt::Display for CheckRefusal {
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
                    write!(f, "{comma}{event} version {version}, {}, first for {first}", counted(count, "event"))?;
                }
                Ok(())
            }
            Self::Fault { place, event, version, problem } => {
                write!(f, "it failed over {event} version {version} of {place}: {problem}")
            }
            Self::DifferingStates { differing, aggregates } => {
                write!(
                    f,
                    "{differing} of {aggregates} states differ from those of the revision before; accept the changes if they are intended"
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

/// One line: the refusals, or what was checked.
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
        write!(f, "replayed {which}{} of {}, ", counted(events, "event"), counted(aggregates, "aggregate"))?;
        match differing {
            0 => f.write_str("no state differs")?,
            1 => f.write_str("1 state differs, accepted")?,
            more => write!(f, "{more} states differ, accepted")?,
        }
        if *uncompared > 0 {
            write!(f, "; {uncompared} could not be compared, because the revision before fails over them")?;
        }
        Ok(())
    }
}
