//! The section of RESULTS.md for the benches with a row or two each.

use serde_json::Value;

use super::goals::number;
use super::programs::{
    AGE, AUDIT, GROWTH, NEIGHBOURS, REBUILD, REPLAY, START, START_LARGE, STATE, SWITCH, TENANTS, TENANTS_1, TENANTS_100,
};
use super::results::Results;
use super::tables::{latency, megabytes, section, shown};

pub(super) fn rest(results: &Results) -> String {
    let mut rest = Rest { results, rows: Vec::new() };
    rest.add_ages();
    rest.add_histories();
    rest.add_starts();
    rest.add_tenants();
    let mut text = String::new();
    section(&mut text, "Everything else", &["measure", "result"], rest.rows);
    text
}

struct Rest<'a> {
    results: &'a Results,
    rows: Vec<Vec<String>>,
}

impl Rest<'_> {
    fn add_ages(&mut self) {
        for (name, what) in [
            ("warm", "warm"),
            ("cold_with_snapshot", "cold, with a snapshot"),
            ("cold_without_snapshot", "cold, without"),
        ] {
            let pointer = |kind: &str| self.ranks(AGE, &format!("/{name}/{kind}"));
            self.row(
                AGE,
                &format!("an aggregate of {} events beside a new one, {what}: µs", self.value(AGE, "/events")),
                format!("{}; new {}", pointer("old"), pointer("new")),
            );
        }
    }

    fn add_histories(&mut self) {
        self.row(STATE, "CPU of a command, 1,000 lines by 1 line", self.value(STATE, "/cpu_ratio"));
        self.row(
            GROWTH,
            "commands/s, full store; empty",
            format!(
                "{}; {} ({} events of {} aggregates)",
                self.value(GROWTH, "/full_per_second"),
                self.value(GROWTH, "/empty_per_second"),
                self.value(GROWTH, "/events"),
                self.value(GROWTH, "/aggregates")
            ),
        );
        self.row(GROWTH, "writing that history, events/s; resident MB", {
            let report = self.results.polder.get(GROWTH);
            let resident = megabytes(report.and_then(|report| report.get("resident_bytes")));
            format!("{}; {resident}", self.value(GROWTH, "/history_events_per_second"))
        });
        self.row(REBUILD, "views rebuilt, events/s, all together", self.value(REBUILD, "/events_folded_per_second"));
        self.row(REBUILD, "… resident at most, MB", {
            megabytes(self.results.polder.get(REBUILD).and_then(|report| report.get("resident_bytes_peak")))
        });
        self.row(
            REPLAY,
            "the revision check's replay, events/s by both revisions",
            self.value(REPLAY, "/replay_events_per_second"),
        );
        self.row(
            SWITCH,
            "revisions switched: commands/s meanwhile; failed, lost, out of order; slowest above p99, ms",
            format!(
                "{}; {}, {}, {}; {}",
                self.value(SWITCH, "/commands_per_second"),
                self.value(SWITCH, "/failed"),
                self.value(SWITCH, "/lost"),
                self.value(SWITCH, "/out_of_order"),
                self.value(SWITCH, "/slowest_above_p99_ms")
            ),
        );
    }

    fn add_starts(&mut self) {
        for program in [START, START_LARGE] {
            self.row(
                program,
                &format!(
                    "ready with {} events, ms: after SIGKILL; after a clean end; resident MB",
                    self.value(program, "/events")
                ),
                format!(
                    "{}; {}; {}",
                    self.list(program, "killed_ms"),
                    self.list(program, "closed_ms"),
                    megabytes(self.results.polder.get(program).and_then(|report| report.get("resident_bytes")))
                ),
            );
        }
    }

    fn add_tenants(&mut self) {
        for program in [TENANTS_1, TENANTS_100, TENANTS] {
            let kilobytes = self.results.number(program, "/resident_bytes_per_tenant").map(|bytes| number(bytes / 1e3));
            self.row(
                program,
                &format!(
                    "{} tenants at rest: MB in all; KB each; % of a core; first command µs",
                    self.value(program, "/tenants")
                ),
                format!(
                    "{}; {}; {}; {}",
                    megabytes(self.results.polder.get(program).and_then(|report| report.get("resident_bytes"))),
                    kilobytes.unwrap_or_default(),
                    self.results
                        .number(program, "/idle_cpu_share")
                        .map(|share| number(share * 100.0))
                        .unwrap_or_default(),
                    self.ranks(program, "/first_command")
                ),
            );
        }
        self.row(NEIGHBOURS, "beside a tenant that loops, p99 by p99 alone", self.value(NEIGHBOURS, "/p99_ratio"));
        self.row(AUDIT, "the audit, % of throughput", self.value(AUDIT, "/cost_percent"));
    }

    /// Adds a row when the program was measured.
    fn row(&mut self, program: &str, what: &str, found: String) {
        if self.results.polder.contains_key(program) {
            self.rows.push(vec![what.to_owned(), found]);
        }
    }

    fn value(&self, program: &str, pointer: &str) -> String {
        shown(self.results.polder.get(program).and_then(|report| report.pointer(pointer)))
    }

    fn ranks(&self, program: &str, pointer: &str) -> String {
        let found = self.results.polder.get(program).and_then(|report| report.pointer(pointer));
        found.map(latency).unwrap_or_default()
    }

    fn list(&self, program: &str, field: &str) -> String {
        let times = self.results.polder.get(program).and_then(|report| report[field].as_array());
        let times: Vec<String> = times.into_iter().flatten().filter_map(Value::as_f64).map(number).collect();
        times.join(", ")
    }
}
