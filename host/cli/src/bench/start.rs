//! `polder bench start`: how long a host with a history takes to get ready, after a clean end and after a kill. Each
//! start is a process of its own, timed from the start of the process to the line with the host's address.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::Context;
use clap::Args;
use serde::Serialize;

use super::options::{History, Place};
use super::served::{Served, kill, line_of};
use crate::failure::Outcome;
use crate::output::Output;

/// Start hosts on a history: after a kill in the middle of work, and after a clean end.
#[derive(Args)]
pub(crate) struct Start {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    history: History,
    /// Starts of each kind.
    #[arg(long, default_value_t = 5)]
    starts: usize,
}

#[derive(Serialize)]
struct Report {
    events: usize,
    /// The first start after the kill also indexes what the killed host had not indexed.
    killed_ms: Vec<f64>,
    closed_ms: Vec<f64>,
    /// Resident memory of a host that has just become ready after a clean end.
    resident_bytes: u64,
}

impl Start {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let folder = self.place.folder()?;
        let program = std::env::current_exe().context("cannot find the path of this program")?;
        output.note("writing the history …");
        let mut filler = self.filler(&program, folder.path())?;
        let filled = line_of(&mut filler, |_| true);
        kill(&mut filler)?;
        filled.context("the history could not be written")?;

        let mut killed_ms = Vec::new();
        let mut closed_ms = Vec::new();
        let mut resident_bytes = 0;
        for _ in 0..self.starts {
            let host = Served::start(folder.path())?;
            killed_ms.push(host.ready_ms);
            host.kill()?;
        }
        Served::start(folder.path())?.close()?;
        for _ in 0..self.starts {
            let host = Served::start(folder.path())?;
            closed_ms.push(host.ready_ms);
            resident_bytes = host.resident_bytes()?;
            host.close()?;
        }
        let report = Report { events: self.history.events, killed_ms, closed_ms, resident_bytes };
        output.answer(&report, || text(&report))
    }

    fn filler(&self, program: &Path, folder: &Path) -> anyhow::Result<Child> {
        let mut command = Command::new(program);
        command.args(["bench", "fill", "--hold", "--data"]).arg(folder);
        command.args(["--events", &self.history.events.to_string()]);
        command.args(["--aggregates", &self.history.aggregates.to_string()]);
        if let Some(component) = &self.place.component {
            command.arg("--component").arg(component);
        }
        // Its stdin stays open for as long as it runs.
        Ok(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?)
    }
}

fn text(report: &Report) -> String {
    let list = |times: &[f64]| times.iter().map(|time| format!("{time:.0}")).collect::<Vec<_>>().join(", ");
    format!(
        "{} events\n\nready after a kill           {} ms\nready after a clean end      {} ms\nresident then                {:.0} MiB\n",
        report.events,
        list(&report.killed_ms),
        list(&report.closed_ms),
        report.resident_bytes as f64 / (1024.0 * 1024.0)
    )
}
