//! `polder doctor`: checks everything that a host and a domain's author need. Reports what is wrong, and what to do.

mod nats;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use polder_sandbox::{Sandbox, SandboxOptions};

use crate::client::{Client, converse};
use crate::failure::{Failure, Outcome};
use crate::guest;
use crate::nats::NatsArguments;
use crate::output::Output;
use crate::target::Target;

/// Syncs that are measured; the median counts.
const SYNCS: usize = 21;
/// Bytes that are written before each sync: one sector of most disks.
const SYNC_BYTES: usize = 4_096;
/// Median sync time above which clients notice the wait for each command.
const SYNC_WAIT_MAX: Duration = Duration::from_millis(10);

/// Check that this machine has what a host and a domain's author need.
#[derive(Args)]
pub(crate) struct Doctor {
    /// The folder whose disk is tested; by default the system's temporary folder.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    nats: NatsArguments,
    /// URL of the NATS server's monitoring, which reports its disk and its clock.
    #[arg(long, value_name = "URL", requires = "nats")]
    nats_monitoring: Option<String>,
}

struct Finding {
    what: &'static str,
    found: Found,
}

enum Found {
    Good(String),
    /// The thing is missing, but it is optional.
    Absent(String),
    /// Something is wrong. The text describes it, and what to do.
    Bad(String),
}

impl From<Result<String, String>> for Found {
    fn from(found: Result<String, String>) -> Self {
        found.map_or_else(Self::Bad, Self::Good)
    }
}

impl Doctor {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let folder = self.data.clone().unwrap_or_else(std::env::temp_dir);
        let mut findings = vec![
            Finding { what: "version", found: Found::Good(env!("CARGO_PKG_VERSION").to_owned()) },
            Finding { what: "sandbox", found: sandbox().into() },
            Finding { what: "disk", found: disk(&folder).map_err(|error| format!("{error:#}")).into() },
            Finding { what: "wasm target", found: wasm_target().into() },
            Finding { what: "host", found: self.host() },
        ];
        findings.extend(nats::findings(self.nats.options()?.as_ref(), self.nats_monitoring.as_deref())?);
        let answer: Vec<_> = findings
            .iter()
            .map(|finding| match &finding.found {
                Found::Good(found) => serde_json::json!({ "check": finding.what, "ok": true, "found": found }),
                Found::Absent(why) => serde_json::json!({ "check": finding.what, "ok": true, "absent": why }),
                Found::Bad(problem) => serde_json::json!({ "check": finding.what, "ok": false, "problem": problem }),
            })
            .collect();
        output.answer(&answer, || {
            findings
                .iter()
                .map(|finding| match &finding.found {
                    Found::Good(found) => format!("ok       {}: {found}\n", finding.what),
                    Found::Absent(why) => format!("absent   {}: {why}\n", finding.what),
                    Found::Bad(problem) => format!("problem  {}: {problem}\n", finding.what),
                })
                .collect()
        })?;
        let is_bad = |finding: &Finding| matches!(finding.found, Found::Bad(_));
        if findings.iter().any(is_bad) { Err(Failure::Reported) } else { Ok(()) }
    }

    /// A running host is optional: the author of a domain starts one when the domain is ready.
    fn host(&self) -> Found {
        let host = &self.target.connection.host;
        let asked = Client::new(&self.target).and_then(|client| converse(client.answer(client.probe("/readyz"))));
        match asked {
            Ok(answer) if answer.status.is_success() => Found::Good(format!("{host} is ready")),
            Ok(answer) => Found::Bad(format!("{host} is up but not ready: {}", answer.problem())),
            Err(Failure::NoHost(error)) => Found::Absent(format!("{error:#}")),
            Err(Failure::Problem(problem)) => Found::Bad(problem.to_string()),
            Err(Failure::Failed(error)) => Found::Bad(format!("{error:#}")),
            Err(Failure::Rejected | Failure::Reported | Failure::ReaderGone) => Found::Bad(String::new()),
        }
    }
}

fn sandbox() -> Result<String, String> {
    let checked = Sandbox::new(SandboxOptions::default()).and_then(|sandbox| sandbox.self_check());
    match checked {
        Ok(()) => Ok("its limits on fuel, time and memory are live".to_owned()),
        Err(error) => Err(format!("{error}: do not run guests of others on this machine")),
    }
}

fn disk(folder: &Path) -> Result<String, anyhow::Error> {
    let mut file = tempfile::tempfile_in(folder).with_context(|| {
        format!("cannot write to {}: choose another folder, or correct its permissions", folder.display())
    })?;
    let mut waits = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        file.write_all(&[0; SYNC_BYTES])?;
        let start = Instant::now();
        file.sync_data().with_context(|| format!("cannot sync a file in {}", folder.display()))?;
        waits.push(start.elapsed());
    }
    waits.sort();
    let middle = waits[SYNCS / 2];
    let figure =
        format!("{} syncs in {:.2} ms (the middle one of {SYNCS})", folder.display(), middle.as_secs_f64() * 1e3);
    anyhow::ensure!(middle <= SYNC_WAIT_MAX, "{figure}: slow, every command waits for one; use a faster disk");
    Ok(figure)
}

fn wasm_target() -> Result<String, String> {
    match guest::is_wasm_target_present() {
        Ok(true) => Ok(format!("{} is installed", guest::WASM_TARGET)),
        Ok(false) => Err(format!("domains cannot be built: run `rustup target add {}`", guest::WASM_TARGET)),
        Err(error) => Err(format!("domains cannot be built: {error:#}")),
    }
}
