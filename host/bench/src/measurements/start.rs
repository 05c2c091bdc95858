//! `polder-bench start`: how long a host with a history takes to get ready, after a clean end and after a kill. Each
//! start is a process of its own, timed from the start of the process to the line with the host's address.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context;
use clap::Args;
use serde::Serialize;

use crate::options::{History, Inputs};
use crate::output::Output;
use crate::processes::host_process::{HostProcess, first_line};
use crate::processes::killed_on_drop::KilledOnDrop;

/// Start hosts on a history: after a kill in the middle of work, and after a clean end.
#[derive(Args)]
pub(crate) struct Start {
    #[command(flatten)]
    inputs: Inputs,
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
    pub(crate) fn run(self, output: &Output) -> anyhow::Result<()> {
        let folder = self.inputs.folder()?;
        let program = std::env::current_exe().context("cannot find the path of this program")?;
        output.note("writing the history …");
        let mut filler = self.filler(&program, folder.path())?;
        let filled = first_line(&mut filler.0, |_| true);
        // This kills the process, while it has the folder open.
        drop(filler);
        filled.context("the history could not be written")?;

        let mut killed_ms = Vec::new();
        let mut closed_ms = Vec::new();
        let mut resident_bytes = 0;
        for _ in 0..self.starts {
            let host = HostProcess::start(folder.path())?;
            killed_ms.push(host.ready_ms);
            // This kills the host.
            drop(host);
        }
        HostProcess::start(folder.path())?.close()?;
        for _ in 0..self.starts {
            let host = HostProcess::start(folder.path())?;
            closed_ms.push(host.ready_ms);
            resident_bytes = host.resident_bytes()?;
            host.close()?;
        }
        let report = Report { events: self.history.events, killed_ms, closed_ms, resident_bytes };
        output.report(&report, || text(&report))
    }

    fn filler(&self, program: &Path, folder: &Path) -> anyhow::Result<KilledOnDrop> {
        let mut command = Command::new(program);
        command.args(["fill", "--hold", "--data"]).arg(folder);
        command.args(["--events", &self.history.events.to_string()]);
        command.args(["--aggregates", &self.history.aggregates.to_string()]);
        if let Some(component) = &self.inputs.component {
            command.arg("--component").arg(component);
        }
        // Its stdin stays open for as long as it runs.
        Ok(KilledOnDrop(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?))
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
