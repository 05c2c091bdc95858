//! `polder doctor`: checks everything that a host and a domain's author need. Reports what is wrong, and what to do.

mod finding;
mod nats;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use polder_sandbox::{Sandbox, SandboxOptions};

use self::finding::{CheckResult, Finding};
use crate::arguments::nats::NatsArguments;
use crate::arguments::target::Target;
use crate::client::{Client, block_on};
use crate::domain_crate;
use crate::failure::{Failure, Outcome};
use crate::output::Output;

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

impl Doctor {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let folder = self.data.clone().unwrap_or_else(std::env::temp_dir);
        let mut findings = vec![
            Finding { check: "version", result: CheckResult::Good(env!("CARGO_PKG_VERSION").to_owned()) },
            Finding { check: "sandbox", result: sandbox().into() },
            Finding { check: "disk", result: disk(&folder).map_err(|error| format!("{error:#}")).into() },
            Finding { check: "wasm target", result: wasm_target().into() },
            Finding { check: "host", result: self.host() },
        ];
        findings.extend(nats::findings(self.nats.options()?.as_ref(), self.nats_monitoring.as_deref())?);
        let answer: Vec<_> = findings
            .iter()
            .map(|finding| match &finding.result {
                CheckResult::Good(found) => serde_json::json!({ "check": finding.check, "ok": true, "found": found }),
                CheckResult::Absent(why) => serde_json::json!({ "check": finding.check, "ok": true, "absent": why }),
                CheckResult::Bad(problem) => {
                    serde_json::json!({ "check": finding.check, "ok": false, "problem": problem })
                }
            })
            .collect();
        output.answer(&answer, || {
            findings
                .iter()
                .map(|finding| match &finding.result {
                    CheckResult::Good(found) => format!("ok       {}: {found}\n", finding.check),
                    CheckResult::Absent(why) => format!("absent   {}: {why}\n", finding.check),
                    CheckResult::Bad(problem) => format!("problem  {}: {problem}\n", finding.check),
                })
                .collect()
        })?;
        let is_bad = |finding: &Finding| matches!(finding.result, CheckResult::Bad(_));
        if findings.iter().any(is_bad) { Err(Failure::Reported) } else { Ok(()) }
    }

    /// A running host is optional: the author of a domain starts one when the domain is ready.
    fn host(&self) -> CheckResult {
        let host = &self.target.connection.host;
        let answered = Client::new(&self.target).and_then(|client| block_on(client.answer(client.probe("/readyz"))));
        match answered {
            Ok(answer) if answer.status.is_success() => CheckResult::Good(format!("{host} is ready")),
            Ok(answer) => CheckResult::Bad(format!("{host} is up but not ready: {}", answer.problem())),
            Err(Failure::NoHost(error)) => CheckResult::Absent(format!("{error:#}")),
            Err(Failure::Problem(problem)) => CheckResult::Bad(problem.to_string()),
            Err(Failure::Failed(error)) => CheckResult::Bad(format!("{error:#}")),
            Err(Failure::Rejected | Failure::Reported | Failure::ReaderGone) => CheckResult::Bad(String::new()),
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
    match domain_crate::is_wasm_target_present() {
        Ok(true) => Ok(format!("{} is installed", domain_crate::WASM_TARGET)),
        Ok(false) => Err(format!("domains cannot be built: run `rustup target add {}`", domain_crate::WASM_TARGET)),
        Err(error) => Err(format!("domains cannot be built: {error:#}")),
    }
}
