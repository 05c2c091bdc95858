//! `cargo xtask bench`: all measurements in one run. It runs `polder-bench` and the peers, and writes their
//! figures into a table with plots. It measures nothing itself.

mod goals;
mod machine;
mod markdown;
mod nats_server;
mod peers;
mod plot;
mod plots;
mod programs;
mod ratios;
mod rest;
mod results;
mod tables;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::Value;

use crate::workspace::Workspace;
use crate::{dev_build, guests, run};
use machine::Machine;
use nats_server::nats_server;
use programs::{NATS, PROGRAMS, Size};
use results::Results;

/// The figures of the last full run on a quiet machine, committed for comparison.
const COMMITTED: &str = "tests/bench";
/// The profile whose build is measured at full size. Its folder has the same name.
const DIST: &str = "dist";
/// The output of a quick or a partial run.
const PROVISIONAL: &str = "bench";

#[derive(Args)]
pub(crate) struct Bench {
    /// Measure the build of the tests with small counts, in a few minutes, and compare ratios with the committed ones.
    /// Peers run only if --only names them.
    #[arg(long)]
    quick: bool,
    /// Run only these benches or peers. The results then do not go to tests/bench.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    only: Vec<String>,
    /// A folder on the disk to measure [default: the target folder]. If PostgreSQL cannot run as your user, every user
    /// needs access to the folder.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// The program that runs Polder's measurements.
struct Polder {
    /// `polder-bench`. It expects `polder` in the same folder, for the hosts that it starts.
    program: PathBuf,
    /// Present when a bench needs it.
    nats_server: Option<PathBuf>,
}

pub(crate) fn bench(options: &Bench) -> Result<()> {
    let known: Vec<&str> = PROGRAMS.iter().map(|program| program.name).chain(peers::NAMES).collect();
    for name in &options.only {
        let program = PROGRAMS.iter().find(|program| program.name == name);
        let is_there = !options.quick || program.is_none_or(|program| program.arguments(Size::Quick).is_some());
        ensure!(is_there, "{name} is not part of --quick: no ratio uses it");
        ensure!(known.contains(&name.as_str()), "there is no {name:?} to measure; there are {}", known.join(", "));
    }
    let workspace = Workspace::read()?;
    let scratch = scratch(options.dir.as_deref().unwrap_or(&workspace.target))?;
    let polder = options.polder(&workspace)?;
    let peers = peers::build(&workspace, &options.peers())?;
    if !options.quick && options.only.is_empty() {
        return whole(&workspace, &polder, &peers, scratch.path());
    }
    let size = if options.quick { Size::Quick } else { Size::Full };
    let measured = options.measure(&polder, &peers, scratch.path(), size)?;
    let folder = workspace.target.join(PROVISIONAL);
    markdown::write(&folder, &measured)?;
    eprintln!("written to {}", folder.display());
    let ratios = ratios::of(&measured);
    let committed = Results::read(&workspace.root.join(COMMITTED))?;
    print!("{}", ratios::compared(&ratios, committed.as_ref().map(|committed| &committed.quick_ratios)));
    Ok(())
}

/// Measures everything at full size, and the ratios of a quick run, so that later quick runs compare equal sizes.
fn whole(workspace: &Workspace, polder: &Polder, peers: &[peers::Built], scratch: &Path) -> Result<()> {
    let everything = Bench { quick: false, only: Vec::new(), dir: None };
    let mut measured = everything.measure(polder, peers, scratch, Size::Full)?;
    let quick = Bench { quick: true, only: Vec::new(), dir: None };
    let quick_polder = quick.polder(workspace)?;
    measured.quick_ratios = ratios::of(&quick.measure(&quick_polder, &[], scratch, Size::Quick)?);
    let folder = workspace.root.join(COMMITTED);
    print!("{}", markdown::write(&folder, &measured)?);
    measured.write(&folder)?;
    eprintln!("written to {}", folder.display());
    Ok(())
}

impl Bench {
    fn is_wanted(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }

    fn peers(&self) -> Vec<&'static str> {
        let are_wanted = !self.quick || !self.only.is_empty();
        peers::NAMES.into_iter().filter(|name| are_wanted && self.is_wanted(name)).collect()
    }

    fn polder(&self, workspace: &Workspace) -> Result<Polder> {
        let nats_server = self.is_wanted(NATS).then(|| nats_server(workspace)).transpose()?;
        guests::build()?;
        let folder = if self.quick {
            dev_build::build(workspace)?;
            dev_build::FOLDER
        } else {
            let build = ["build", "--profile", DIST, "--package", "polder-cli", "--package", "polder-bench"];
            run::show(run::cargo().current_dir(&workspace.root).args(build))?;
            DIST
        };
        Ok(Polder { program: workspace.target.join(folder).join("polder-bench"), nats_server })
    }

    fn measure(&self, polder: &Polder, peers: &[peers::Built], scratch: &Path, size: Size) -> Result<Results> {
        // Sync first: otherwise the system writes out the files of the build half a minute later, and every sync waits
        // for that.
        run::show(&mut std::process::Command::new("sync"))?;
        let machine = Machine::read(scratch)?;
        let mut results = Results::new(machine, size);
        for program in PROGRAMS.iter().filter(|program| self.is_wanted(program.name)) {
            let Some(arguments) = program.arguments(size) else { continue };
            eprintln!("measuring {} …", program.name);
            let mut command = std::process::Command::new(&polder.program);
            command.arg("--json").args(arguments).arg("--dir").arg(scratch);
            if let Some(nats_server) = polder.nats_server.as_ref().filter(|_| program.name == NATS) {
                command.arg("--nats-server").arg(nats_server);
            }
            match json_of(&mut command) {
                Ok(value) => drop(results.polder.insert(program.name.to_owned(), value)),
                // The other figures are valid without this one.
                Err(error) => {
                    eprintln!("{} could not be measured: {error:#}", program.name);
                    results.failures.push((program.name.to_owned(), format!("{error:#}")));
                }
            }
        }
        for peer in peers {
            eprintln!("measuring {} …", peer.name);
            results.peers.push(peer.measure(scratch, size));
        }
        Ok(results)
    }
}

fn json_of(command: &mut std::process::Command) -> Result<Value> {
    serde_json::from_str(&run::output(command)?).context("it gave no JSON")
}

fn scratch(folder: &Path) -> Result<tempfile::TempDir> {
    use std::os::unix::fs::PermissionsExt;
    let scratch = tempfile::Builder::new()
        .prefix("polder-bench-")
        // PostgreSQL's own user needs access.
        .permissions(std::fs::Permissions::from_mode(0o755))
        .tempdir_in(folder);
    scratch.with_context(|| format!("cannot make a folder in {}", folder.display()))
}
