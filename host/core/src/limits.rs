//! The limits of one tenant. The defaults are generous for domain logic, and far below what would harm the host.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

/// The description of one limit, for listing limits and for setting them by name.
#[derive(Debug)]
pub struct Limit {
    pub name: &'static str,
    /// What the limit counts, with its unit.
    pub meaning: &'static str,
    pub default: u64,
    /// The values that it may be set to.
    pub range: RangeInclusive<u64>,
    get: fn(&Limits) -> u64,
    set: fn(&mut Limits, u64),
}

/// A limit cannot be set. The message contains the limits or values that can.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    #[error("there is no limit {0:?}; there are {known}", known = names())]
    Unknown(String),
    #[error("{name} cannot be {value}: it goes from {} to {} ({meaning})", range.start(), range.end())]
    OutOfRange { name: &'static str, value: u64, range: RangeInclusive<u64>, meaning: &'static str },
}

macro_rules! limits {
    ($($(#[doc = $meaning:literal])+ $name:ident: $default:expr, $least:expr, $most:expr;)*) => {
        /// The limits of a tenant. Each field can be set per tenant.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Limits {
            $($(#[doc = $meaning])+ pub $name: u64,)*
        }

        impl Limits {
            pub const DEFAULT: Self = Self { $($name: $default,)* };

            /// All limits.
            pub const ALL: &[Limit] = &[$(Limit {
                name: stringify!($name),
                meaning: concat!($($meaning),+).trim_ascii(),
                default: $default,
                range: $least..=$most,
                get: |limits| limits.$name,
                set: |limits, value| limits.$name = value,
            },)*];
        }
    };
}

limits! {
    /// WebAssembly instructions of one guest call, approximately; the result is the same on every machine
    fuel_per_call_max: 1_000_000_000, 1_000, 1_000_000_000_000;
    /// processor time of one guest call, in milliseconds; it also bounds work that uses no fuel
    call_wall_ms_max: 1_000, 10, 60_000;
    /// linear memory of one guest instance, in bytes
    memory_bytes_max: 256 * MIB, 2 * MIB, GIB;
    /// payload of one command, in bytes
    command_bytes_max: 256 * KIB, 2, 16 * MIB;
    /// payload of one event, in bytes
    event_bytes_max: 64 * KIB, 2, 4 * MIB;
    /// events of one decision
    events_per_command_max: 1_000, 1, 100_000;
    /// one saved state or document, in bytes
    state_bytes_max: 16 * MIB, KIB, 256 * MIB;
    /// commands accepted but not yet acknowledged
    commands_in_flight_max: 4_096, 1, 1_000_000;
    /// commands taken per second; after a second without commands, as many at once
    commands_per_second_max: 1_000_000, 1, 10_000_000;
    /// linear memory of all the tenant's guest instances that run commands, in bytes; beyond it, the least used are
    /// removed
    guest_memory_bytes_max: GIB, 16 * MIB, 256 * GIB;
    /// aggregates whose states are kept in guest memory; beyond it, the least used are removed
    warm_states_max: 40_000, 1, 450_000;
    /// records of the tenant in the journal and its read models, in bytes
    storage_bytes_max: 100 * GIB, KIB, 1024 * GIB * 1024;
    /// documents of a projection that one event may touch
    documents_per_event_max: 1_000, 1, 100_000;
    /// read models of the tenant, in bytes; while one is rebuilt, of the old one and the new one
    view_bytes_max: 10 * GIB, 64 * KIB, 1024 * GIB * 1024;
    // A domain holds memory for its code, a place in each list for as long as its tenant exists. A
    // hundred is far more than one business has, and small enough to list and to load at a start.
    /// domains of the tenant, counted from the first upload of a component
    domains_max: 100, 1, 10_000;
    // All tenants together may use half of the host's memory for code. One tenant leaves room for the others.
    /// machine code of the active revisions of all the tenant's domains, in bytes
    code_bytes_max: 128 * MIB, KIB, 64 * GIB;
    /// diagnostics one guest call may emit, in bytes
    diagnostics_bytes_max: 16 * KIB, 0, MIB;
}

impl Limits {
    pub fn find(name: &str) -> Result<&'static Limit, LimitError> {
        Self::ALL.iter().find(|limit| limit.name == name).ok_or_else(|| LimitError::Unknown(name.to_owned()))
    }

    /// These limits with some values replaced.
    #[must_use]
    pub fn with(mut self, overrides: &LimitOverrides) -> Self {
        for (limit, value) in overrides.iter() {
            (limit.set)(&mut self, value);
        }
        self
    }
}

impl Limit {
    pub fn of(&self, limits: &Limits) -> u64 {
        (self.get)(limits)
    }

    fn check(&self, value: u64) -> Result<(), LimitError> {
        if self.range.contains(&value) {
            return Ok(());
        }
        let Self { name, meaning, ref range, .. } = *self;
        Err(LimitError::OutOfRange { name, value, range: range.clone(), meaning })
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The limits that were set for one tenant. Every name is that of a limit, and every value is within its range.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct LimitOverrides(BTreeMap<&'static str, u64>);

/// Changes to a tenant's limits: a new value, or `None` for the default. Checked like the overrides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, Option<u64>>")]
pub struct LimitChanges(BTreeMap<&'static str, Option<u64>>);

impl LimitOverrides {
    pub fn get(&self, name: &str) -> Option<u64> {
        self.0.get(name).copied()
    }

    #[must_use]
    pub fn changed(mut self, changes: &LimitChanges) -> Self {
        for (name, value) in &changes.0 {
            match value {
                Some(value) => self.0.insert(name, *value),
                None => self.0.remove(name),
            };
        }
        self
    }

    fn iter(&self) -> impl Iterator<Item = (&'static Limit, u64)> + '_ {
        self.0.iter().map(|(name, value)| (Limits::find(name).expect("names are checked on the way in"), *value))
    }
}

impl LimitChanges {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<BTreeMap<String, Option<u64>>> for LimitChanges {
    type Error = LimitError;

    fn try_from(given: BTreeMap<String, Option<u64>>) -> Result<Self, LimitError> {
        let mut changes = BTreeMap::new();
        for (name, value) in given {
            let limit = Limits::find(&name)?;
            value.map_or(Ok(()), |value| limit.check(value))?;
            changes.insert(limit.name, value);
        }
        Ok(Self(changes))
    }
}

fn names() -> String {
    Limits::ALL.iter().map(|limit| limit.name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(json: &str) -> Result<LimitChanges, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn every_default_is_in_its_range_and_found_by_its_name() {
        for limit in Limits::ALL {
            assert!(limit.range.contains(&limit.default), "{}", limit.name);
            assert_eq!(Limits::find(limit.name).unwrap().of(&Limits::DEFAULT), limit.default);
        }
        let json = serde_json::to_value(Limits::DEFAULT).unwrap();
        let names: Vec<_> = json.as_object().unwrap().keys().collect();
        assert_eq!(names.len(), Limits::ALL.len());
    }

    #[test]
    fn a_change_replaces_one_limit_and_takes_it_back() {
        let own = LimitOverrides::default();
        let own = own.changed(&changes(r#"{"warm_states_max":7,"call_wall_ms_max":50}"#).unwrap());
        let limits = Limits::DEFAULT.with(&own);
        assert_eq!(limits, Limits { warm_states_max: 7, call_wall_ms_max: 50, ..Limits::DEFAULT });
        let own = own.changed(&changes(r#"{"warm_states_max":null}"#).unwrap());
        assert_eq!((own.get("warm_states_max"), own.get("call_wall_ms_max")), (None, Some(50)));
    }

    #[test]
    fn the_error_of_a_wrong_change_lists_what_is_allowed() {
        let error = changes(r#"{"fuel":1}"#).unwrap_err().to_string();
        assert!(error.contains("\"fuel\"") && error.contains("fuel_per_call_max, call_wall_ms_max"), "{error}");
        let error = changes(r#"{"call_wall_ms_max":5}"#).unwrap_err().to_string();
        assert!(error.contains("call_wall_ms_max cannot be 5: it goes from 10 to 60000"), "{error}");
    }
}
