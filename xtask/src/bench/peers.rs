//! Builds and runs the peers, which have a workspace of their own under `tests/peers`. If a peer cannot be built or
//! run, the report names it with the reason, and the others continue.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::programs::Size;
use crate::check::PEERS;
use crate::workspace::Workspace;
use crate::{run, setup};

/// A folder below the target folder, so that a cache of the target folder includes it.
const TARGET: &str = "peers";
const COMMON: &str = "peers-common";
const JETSTREAM: &str = "jetstream";
/// The names on the command line. The packages are `peer-…`.
pub(super) const NAMES: [&str; 5] = ["tephra", "sierradb", "cqrs-es", "disintegrate", JETSTREAM];
const QUICK: [&str; 6] = ["--seconds", "0.5", "--in-flight", "1,16,256", "--aggregates", "1000"];

/// A peer that was built, or the reason why not.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) name: &'static str,
    program: Result<Vec<OsString>, String>,
}

/// The result of a peer.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) name: &'static str,
    /// One report for each configuration.
    pub(super) reports: Vec<Value>,
    /// The reason why there is no report.
    pub(super) reason: Option<String>,
}

pub(super) fn build(workspace: &Workspace, names: &[&'static str]) -> Result<Vec<Built>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    // Figures of other business rules would not be comparable.
    let test = ["--package", COMMON];
    run::show(cargo(workspace, "test").args(test)).context("the peers' orders are not the tutorial's")?;
    // One build for all, because separate builds would use different features. If it fails, the peers are built one by
    // one to find the broken one.
    let packages = names.iter().flat_map(|name| [String::from("--package"), package(name)]);
    let all = run::show(cargo(workspace, "build").args(packages));
    let built = |&name| {
        let built = all
            .as_ref()
            .map_or_else(|_| run::show(cargo(workspace, "build").args(["--package", &package(name)])), |()| Ok(()));
        let program = built.and_then(|()| program(workspace, name)).map_err(|error| format!("{error:#}"));
        Built { name, program }
    };
    Ok(names.iter().map(built).collect())
}

fn package(name: &str) -> String {
    format!("peer-{name}")
}

fn cargo(workspace: &Workspace, task: &str) -> Command {
    let mut cargo = run::cargo();
    cargo.current_dir(workspace.root.join(PEERS)).args([task, "--release", "--target-dir"]);
    cargo.arg(workspace.target.join(TARGET));
    cargo
}

fn program(workspace: &Workspace, name: &str) -> Result<Vec<OsString>> {
    let folder = workspace.target.join(TARGET).join("release");
    let mut words: Vec<OsString> = vec![folder.join(package(name)).into()];
    if name == JETSTREAM {
        words.extend(["--nats-server".into(), nats_server(workspace)?.into()]);
    }
    Ok(words)
}

impl Built {
    pub(super) fn measure(&self, scratch: &Path, size: Size) -> Peer {
        let result = match &self.program {
            Ok(words) => reports(words, scratch, size).map_err(|error| format!("{error:#}")),
            Err(reason) => Err(reason.clone()),
        };
        let (reports, reason) = match result {
            Ok(reports) => (reports, None),
            Err(reason) => (Vec::new(), Some(reason)),
        };
        Peer { name: self.name, reports, reason }
    }
}

/// Runs a peer; it prints one JSON report per line.
fn reports(words: &[OsString], scratch: &Path, size: Size) -> Result<Vec<Value>> {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).arg("--dir").arg(scratch);
    if size == Size::Quick {
        command.args(QUICK);
    }
    let text = run::output(&mut command)?;
    let reports = text.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    ensure!(!reports.is_empty(), "it printed nothing");
    Ok(reports)
}

pub(super) fn nats_server(workspace: &Workspace) -> Result<PathBuf> {
    setup::nats_server()?;
    Ok(workspace.target.join("tools").join("nats-server"))
}
