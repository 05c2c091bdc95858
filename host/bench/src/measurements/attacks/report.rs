//! The figures of the attacks, as JSON and as a table.

use std::collections::BTreeMap;

use serde::Serialize;

use super::neighbour::Round;
use super::watcher::Peak;

const MIB: f64 = 1024.0 * 1024.0;

#[derive(Serialize)]
pub(super) struct Report {
    pub(super) seconds: u64,
    pub(super) memory_bytes_max: u64,
    pub(super) attacks: Vec<Row>,
    /// Attacks that could not be measured to the end.
    pub(super) broken: Vec<Broken>,
    /// The host after all of them, if they ran on one host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) in_a_row: Option<InARow>,
}

#[derive(Serialize)]
pub(super) struct Broken {
    pub(super) attack: String,
    pub(super) error: String,
}

/// One attack.
#[derive(Serialize)]
pub(super) struct Row {
    pub(super) attack: String,
    pub(super) about: String,
    /// Requests and connections of the attack, by their outcome.
    pub(super) attack_outcomes: BTreeMap<String, usize>,
    pub(super) rate_per_second: f64,
    pub(super) alone: Round,
    pub(super) beside: Round,
    pub(super) commands_p99_ratio: Option<f64>,
    pub(super) reads_p99_ratio: Option<f64>,
    pub(super) peak: Peak,
    pub(super) removal_s: f64,
    /// `None` for attacks on one host, which ends after the last one.
    pub(super) sigterm_s: Option<f64>,
    /// Why the figures of issue 12 are not met. Empty if they are.
    pub(super) not_met: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct InARow {
    pub(super) resident_bytes_before: u64,
    pub(super) resident_bytes_after: u64,
    pub(super) sigterm_s: f64,
    pub(super) not_met: Vec<String>,
}

/// The columns of the table after the name of the attack. Times are in milliseconds, memory is in MiB.
const COLUMNS: [&str; 15] = [
    "commands/s",
    "p99 alone",
    "beside",
    "ratio",
    "reads alone",
    "beside",
    "ratio",
    "slowest",
    "failed",
    "host MiB",
    "compilers MiB",
    "threads",
    "files",
    "removal s",
    "SIGTERM s",
];
/// The length of the longest name of an attack, and two spaces.
const NAME_WIDTH: usize = 27;

impl Report {
    pub(super) fn text(&self) -> String {
        let seconds = self.seconds;
        let mut text = format!(
            "{seconds} s alone and {seconds} s beside each attack; memory_bytes_max {:.0} MiB; p99 in ms\n\n",
            self.memory_bytes_max as f64 / MIB
        );
        text.push_str(&line("attack", COLUMNS.map(str::to_owned), "met"));
        for row in &self.attacks {
            text.push_str(&line(&row.attack, row.cells(), if row.not_met.is_empty() { "yes" } else { "no" }));
        }
        for row in &self.attacks {
            text.push_str(&format!("\n{}: {}\n    the attack: {}\n", row.attack, row.about, row.outcomes()));
            row.not_met.iter().for_each(|reason| text.push_str(&format!("    not met: {reason}\n")));
        }
        for Broken { attack, error } in &self.broken {
            text.push_str(&format!("\n{attack}: not measured: {error}\n"));
        }
        if let Some(all) = &self.in_a_row {
            text.push_str(&all.text());
        }
        text
    }
}

/// A line of the table. Each column is as wide as its title.
fn line(name: &str, cells: [String; COLUMNS.len()], met: &str) -> String {
    let cells = cells.iter().zip(COLUMNS).map(|(cell, title)| format!("{cell:>0$}", title.len().max(8) + 1));
    format!("{name:<NAME_WIDTH$}{}  {met}\n", cells.collect::<String>())
}

impl Row {
    fn cells(&self) -> [String; COLUMNS.len()] {
        let (alone, beside) = (&self.alone, &self.beside);
        let number =
            |value: Option<f64>, digits: usize| value.map_or("–".into(), |value| format!("{value:.digits$}"));
        let commands = |round: &Round| number(round.commands_latency.map(|latency| latency.p99_us / 1e3), 2);
        let reads = |round: &Round| number(round.reads_latency.map(|latency| latency.p99_us / 1e3), 2);
        let failed = [&beside.failed, &beside.reads_failed].map(|failed| failed.values().sum::<usize>());
        [
            number(Some(self.rate_per_second), 0),
            commands(alone),
            commands(beside),
            number(self.commands_p99_ratio, 1),
            reads(alone),
            reads(beside),
            number(self.reads_p99_ratio, 1),
            number(beside.reads_latency.map(|latency| latency.max_us / 1e3), 1),
            failed.iter().sum::<usize>().to_string(),
            number(Some(self.peak.host_bytes as f64 / MIB), 0),
            number(Some(self.peak.compilers_bytes as f64 / MIB), 0),
            self.peak.threads.to_string(),
            self.peak.descriptors.to_string(),
            number(Some(self.removal_s), 2),
            number(self.sigterm_s, 2),
        ]
    }

    fn outcomes(&self) -> String {
        let all = self.attack_outcomes.iter().map(|(outcome, count)| format!("{outcome}: {count}"));
        all.collect::<Vec<_>>().join(", ")
    }
}

impl InARow {
    fn text(&self) -> String {
        let (before, after) = (self.resident_bytes_before as f64, self.resident_bytes_after as f64);
        let mut text = format!(
            "\nafter all of them: {:.0} MiB resident before, {:.0} MiB after ({:.2} ×); ended {:.2} s after SIGTERM; \
             {}\n",
            before / MIB,
            after / MIB,
            after / before,
            self.sigterm_s,
            if self.not_met.is_empty() { "met" } else { "not met" }
        );
        self.not_met.iter().for_each(|reason| text.push_str(&format!("    not met: {reason}\n")));
        text
    }
}
