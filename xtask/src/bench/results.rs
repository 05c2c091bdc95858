//! The result of one full run: the JSON of each program, and the machine.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::machine::Machine;
use super::peers::Peer;
use super::programs::Size;

/// Read by the next run for comparison; people read the table.
const FILE: &str = "results.json";

#[derive(Debug)]
pub(super) struct Results {
    pub(super) machine: Machine,
    pub(super) size: Size,
    /// The reports, by the name of the program.
    pub(super) polder: BTreeMap<String, Value>,
    /// Programs without a report, with the reason.
    pub(super) failures: Vec<(String, String)>,
    pub(super) peers: Vec<Peer>,
    pub(super) quick_ratios: Ratios,
}

/// Ratios, by name. They depend less on the speed of the machine than figures do.
pub(super) type Ratios = BTreeMap<String, f64>;

/// The part of the file that later runs read.
#[derive(Debug)]
pub(super) struct Committed {
    pub(super) quick_ratios: Ratios,
}

impl Results {
    pub(super) fn new(machine: Machine, size: Size) -> Self {
        Self {
            machine,
            size,
            polder: BTreeMap::new(),
            failures: Vec::new(),
            peers: Vec::new(),
            quick_ratios: Ratios::new(),
        }
    }

    /// The number at `pointer` (RFC 6901) in the report of `program`.
    pub(super) fn number(&self, program: &str, pointer: &str) -> Option<f64> {
        self.polder.get(program)?.pointer(pointer)?.as_f64()
    }

    /// The runs of `program`; each is an object.
    pub(super) fn runs(&self, program: &str) -> &[Value] {
        self.polder.get(program).and_then(|report| report["runs"].as_array()).map_or(&[], Vec::as_slice)
    }

    /// The run of `program` whose `field` is `value`.
    pub(super) fn run(&self, program: &str, field: &str, value: u64) -> Option<&Value> {
        self.runs(program).iter().find(|run| run[field].as_u64() == Some(value))
    }

    /// The best result of a peer at `in_flight`, or at any number of callers if that is none.
    pub(super) fn peer_per_second(&self, name: &str, in_flight: Option<u64>) -> Option<f64> {
        let reports = self.peers.iter().filter(|peer| peer.name == name).flat_map(|peer| &peer.reports);
        let runs = reports.flat_map(|report| report["runs"].as_array().into_iter().flatten());
        let wanted = runs.filter(|run| in_flight.is_none_or(|in_flight| run["in_flight"] == in_flight));
        wanted.filter_map(|run| run["per_second"].as_f64()).reduce(f64::max)
    }

    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let peers: Vec<Value> = self
            .peers
            .iter()
            .map(|peer| json!({ "name": peer.name, "reports": peer.reports, "reason": peer.reason }))
            .collect();
        let value = json!({
            "machine": self.machine.facts.iter().cloned().map(|(name, fact)| (name, Value::from(fact))).collect::<Map<_, _>>(),
            "polder": self.polder,
            "peers": peers,
            "quick_ratios": self.quick_ratios,
        });
        let file = folder.join(FILE);
        let text = serde_json::to_string_pretty(&value)?;
        std::fs::write(&file, text + "\n").with_context(|| format!("cannot write {}", file.display()))
    }

    /// None when no results are committed yet.
    pub(super) fn read(folder: &Path) -> Result<Option<Committed>> {
        let file = folder.join(FILE);
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
        };
        let value: Value = serde_json::from_str(&text).with_context(|| format!("{} is no JSON", file.display()))?;
        let ratios = value["quick_ratios"].as_object().into_iter().flatten();
        let quick_ratios = ratios.filter_map(|(name, ratio)| Some((name.clone(), ratio.as_f64()?))).collect();
        Ok(Some(Committed { quick_ratios }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_quick_run_finds_what_it_is_compared_with() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Results::read(folder.path()).unwrap().is_none());
        let machine = Machine { facts: vec![(String::from("processors"), String::from("2"))] };
        let mut results = Results::new(machine, Size::Full);
        results.quick_ratios.insert(String::from("full store / empty"), 0.875);
        results.write(folder.path()).unwrap();
        assert_eq!(Results::read(folder.path()).unwrap().unwrap().quick_ratios, results.quick_ratios);
        std::fs::write(folder.path().join(FILE), "{").unwrap();
        let error = format!("{:#}", Results::read(folder.path()).unwrap_err());
        assert!(error.contains(FILE) && error.contains("no JSON"), "{error}");
    }

    #[test]
    fn of_a_peer_set_up_in_several_ways_the_best_counts() {
        let report = |per_second: f64| json!({ "runs": [{ "in_flight": 256, "per_second": per_second }] });
        let mut results = Results::new(Machine { facts: Vec::new() }, Size::Full);
        results.peers.push(Peer { name: "sierradb", reports: vec![report(10.0), report(30.0)], reason: None });
        assert_eq!(results.peer_per_second("sierradb", Some(256)), Some(30.0));
        assert_eq!(results.peer_per_second("sierradb", Some(1)), None);
        assert_eq!(results.peer_per_second("tephra", None), None);
    }
}
