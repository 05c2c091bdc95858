//! `cargo xtask demo`: shows Polder's features on this machine in a minute. Everything happens in a temporary folder,
//! and the demo checks each result before it prints it.

mod audit;
mod follower;
mod import;
mod log;
mod metrics;
mod polder;
mod stage;

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::Value;

use crate::workspace::Workspace;
use crate::{guests, run};
use audit::History;
use follower::Follower;
use import::{Imported, import};
use metrics::Metrics;
use polder::{Host, Polder};
use stage::{Stage, grouped};

const SERVE: [&str; 5] = ["serve", "--data", "data", "--listen", "127.0.0.1:0"];
/// Printed first, so that a long build does not look like a hanging one.
const FIRST_BUILD: &str = "\
The first run builds the host from some 400 crates, which takes ten to twenty minutes on two cores. Then it builds the
guests (one or two minutes) and runs the demo (a minute). Later runs begin within seconds.
";
const GENERATED_LOG: &str = "log.csv";
const SEED: u64 = 1;
/// The longest wait for a view, in milliseconds.
const VIEW_WAIT_MS: &str = "30000";

#[derive(Args)]
pub(crate) struct Demo {
    /// A log to import, in the form that guests/permits/map.toml reads [default: 100,000 generated rows].
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Leave the host running, and print its address.
    #[arg(long)]
    keep: bool,
}

/// The state that all acts of the demo share.
struct Play {
    stage: Stage,
    polder: Polder,
    log: String,
    rows: u64,
}

pub(crate) fn demo(options: &Demo) -> Result<()> {
    let log = options.log.as_deref().map(|log| log.canonicalize().with_context(|| format!("no log {}", log.display())));
    let log = log.transpose()?;
    let program = build_host()?;
    let folder = tempfile::Builder::new().prefix("polder-demo-").tempdir().context("cannot make a temporary folder")?;
    for (guest, file) in guests::build()? {
        let name = format!("{}.wasm", guest.name);
        fs::copy(&file, folder.path().join(&name)).with_context(|| format!("cannot copy {name}"))?;
    }
    let map = Workspace::read()?.root.join("guests/permits/map.toml");
    fs::copy(&map, folder.path().join("map.toml")).with_context(|| format!("cannot copy {}", map.display()))?;

    let start = Instant::now();
    let polder = Polder { program, folder: folder.path().to_owned() };
    let mut play = Play { stage: Stage::new(), polder, log: String::new(), rows: 0 };
    play.stage.closing("Polder: business rules in WebAssembly, and a history that survives its host");
    play.stage
        .text(&format!("Everything happens in {}; the commands are run as they stand here.", folder.path().display()));
    let host = play.perform(log.as_deref(), start)?;
    if options.keep {
        play.stage.closing("The host keeps running");
        play.stage.text(&format!(
            "address  {}\nprocess  {} (end it with: kill {})\nfolder   {} (remove it yourself)",
            host.address,
            host.id(),
            host.id(),
            folder.keep().display()
        ));
        play.stage.text(&format!("try      POLDER_HOST={} polder domains", host.address));
        host.keep();
    }
    Ok(())
}

fn build_host() -> Result<PathBuf> {
    let workspace = Workspace::read()?;
    let program = workspace.target.join("release").join("polder");
    if !program.exists() {
        eprintln!("{FIRST_BUILD}");
    }
    let mut cargo = run::cargo();
    run::show(cargo.current_dir(&workspace.root).args(["build", "--release", "--package", "polder-cli"]))?;
    Ok(program)
}

impl Play {
    fn perform(&mut self, log: Option<&Path>, start: Instant) -> Result<Host> {
        self.stage.heading("A host with an empty folder");
        let host = self.serve("host-1.log")?;
        self.deploy(&host)?;
        self.an_order(&host)?;
        self.queries(&host)?;
        self.prepare_log(log)?;
        let (host, lost) = self.crash(host)?;
        let finished = self.finish_import(host, &lost)?;
        self.summary(&finished, &lost, start)?;
        Ok(finished.host)
    }

    fn serve(&self, log: &str) -> Result<Host> {
        self.stage.command(&SERVE);
        let start = Instant::now();
        let host = self.polder.serve(&SERVE, log)?;
        self.stage.text(&format!("listening on {}   ({} ms)", host.address, start.elapsed().as_millis()));
        Ok(host)
    }

    fn deploy(&mut self, host: &Host) -> Result<()> {
        self.stage.heading("Two domains: each is one component that can access nothing but its arguments");
        for file in ["orders.wasm", "permits.wasm"] {
            self.show(Some(host), &["deploy", file])?;
        }
        self.show(Some(host), &["domains"])
    }

    fn an_order(&mut self, host: &Host) -> Result<()> {
        self.stage
            .heading("An order: commands, their acknowledgements, and the events (⇢) that another reader receives");
        let mut follower = Follower::start(&self.polder, host, &["events", "--domain", "orders", "--follow"])?;
        let steps = [
            ("draft-order", r#"{"customer":"ada"}"#),
            ("add-line", r#"{"sku":"TEA-250","quantity":2,"price":450}"#),
            ("add-line", r#"{"sku":"CUP","quantity":4,"price":700}"#),
            ("fulfil-order", "{}"),
            ("submit-order", "{}"),
            ("validate-order", "{}"),
        ];
        for (command, payload) in steps {
            self.send(host, &["send", "orders/order/o-1", command, payload], &mut follower)?;
        }
        self.stage.gap();
        self.stage.text("The same command twice, with one id: the second one changes nothing.");
        let fulfil = ["send", "orders/order/o-1", "fulfil-order", "{}", "--id", "fulfil-1"];
        self.send(host, &fulfil, &mut follower)?;
        self.send(host, &fulfil, &mut follower)
    }

    /// Sends a command, and prints the answer and then the events of the command.
    fn send(&self, host: &Host, words: &[&str], follower: &mut Follower) -> Result<()> {
        self.stage.command(words);
        let outcome = self.polder.ask(Some(host), words)?;
        self.stage.text(if outcome.succeeded { &outcome.stdout } else { &outcome.stderr });
        let position =
            outcome.stdout.trim_end().rsplit_once("position ").and_then(|(_, position)| position.parse().ok());
        follower.show_up_to(position.unwrap_or(0), &self.stage)
    }

    fn queries(&mut self, host: &Host) -> Result<()> {
        self.stage.heading("Queries: documents built from the events, and any state of the past");
        let head = self.history(host, "orders")?.position.to_string();
        self.show(Some(host), &["view", "orders/order-summary", "o-1", "--after", &head])?;
        self.show(Some(host), &["view", "orders/customer-totals", "--after", &head])?;
        self.show(Some(host), &["state", "orders/order/o-1", "--sequence", "2"])
    }

    fn prepare_log(&mut self, log: Option<&Path>) -> Result<()> {
        self.stage.heading("A permit office's log becomes commands");
        let source = match log {
            Some(log) => {
                self.log = log.to_str().context("the log's path is not UTF-8")?.to_owned();
                log.display().to_string()
            }
            None => {
                self.log = GENERATED_LOG.to_owned();
                let path = self.polder.folder.join(GENERATED_LOG);
                let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
                log::write(SEED, log::ROWS, &mut BufWriter::new(file))?;
                format!("{GENERATED_LOG}, generated from seed {SEED} in the form of a real office's")
            }
        };
        let plan = ["import", &self.log, "--map", "map.toml", "--dry-run"];
        self.stage.command(&plan);
        let outcome = self.polder.ask(None, &plan)?;
        self.stage.text(&outcome.stdout);
        self.stage.text(&outcome.stderr);
        let plan = self.polder.ask(None, &[&plan[..], &["--json"]].concat())?;
        let plan: Value = serde_json::from_str(&plan.stdout).context("the importer's plan is not JSON")?;
        let commands = plan["commands"].as_object().with_context(|| format!("{source} cannot be imported"))?;
        self.rows = commands.values().filter_map(Value::as_u64).sum();
        ensure!(self.rows > 1, "{source} has too few rows to be interrupted");
        self.stage.text(&format!("Log: {source}."));
        Ok(())
    }

    /// Imports half of the log, kills the host there, and compares the history of the next host with the
    /// acknowledgements of the importer.
    fn crash(&mut self, mut host: Host) -> Result<(Host, Lost)> {
        self.stage.heading("The host is killed in the middle of the import");
        let kill_at = self.rows * 2 / 5;
        let words = self.import_words();
        self.stage.command(&words);
        let milestones = Milestones::new(&self.stage, self.rows);
        let before_kill = import(&self.polder, &mut host, &words, |count, elapsed, host| {
            milestones.show(count, elapsed);
            if count != kill_at {
                return Ok(());
            }
            host.kill()?;
            self.stage.text(&format!("kill -9 {}   after {} acknowledgements", host.id(), grouped(count)));
            Ok(())
        })?;
        let failure = before_kill.failure.as_deref().context("the importer finished although its host was killed")?;
        self.stage.text(&format!("importer: {failure}"));
        self.stage.gap();
        self.show(None, &["verify", "--data", "data"])?;
        self.stage.gap();
        let host = self.serve("host-2.log")?;
        let history = self.history(&host, "permits")?;
        let audit = history.audit(&before_kill.acks);
        self.stage.text(&format!(
            "The importer received {} acknowledgements. Compared one by one with `polder events`: {} accepted commands are there,\n\
             each at its acknowledged position and sequence, none twice; {} are missing. {} more reached the disk, but were not acknowledged.",
            grouped(before_kill.acks.len() as u64),
            grouped(audit.found),
            grouped(audit.missing),
            grouped(audit.unacknowledged),
        ));
        audit.verdict()?;
        Ok((host, Lost { acknowledged: audit.found, missing: audit.missing, before: history.events }))
    }

    fn finish_import(&mut self, mut host: Host, lost: &Lost) -> Result<Finished> {
        self.stage.heading("The import runs again: handled commands are not repeated, the rest follows");
        let words = self.import_words();
        self.stage.command(&words);
        let milestones = Milestones::new(&self.stage, self.rows);
        let imported = import(&self.polder, &mut host, &words, |count, elapsed, _| {
            milestones.show(count, elapsed);
            Ok(())
        })?;
        if let Some(problem) = &imported.failure {
            anyhow::bail!("the import did not finish: {problem}");
        }
        let history = self.history(&host, "permits")?;
        history.audit(&imported.acks).verdict()?;
        self.stage.text(&format!(
            "{} accepted, {} already handled, {} refused",
            grouped(imported.accepted),
            grouped(imported.already_handled),
            grouped(imported.refused)
        ));
        ensure!(
            lost.before <= imported.already_handled && history.events == imported.accepted + imported.already_handled,
            "the history has {} events, and {} of them were there before; the report does not match",
            history.events,
            lost.before
        );
        let documents = self.views(&host, &history)?;
        self.show(None, &["verify", "--data", "data"])?;
        self.stage.text("(This includes the events of the order, and the deployments in the host's own history.)");
        Ok(Finished { host, imported, history, documents })
    }

    /// Shows the view of departments, and compares its sums with the history.
    fn views(&self, host: &Host, history: &History) -> Result<u64> {
        let head = history.position.to_string();
        let whole = ["--after", &head, "--timeout-ms", VIEW_WAIT_MS];
        let view = ["view", "permits/department-month", "--order", "-cases", "--limit", "3"];
        self.show(Some(host), &[&view[..], &whole].concat())?;
        let all = [&["view", "permits/department-month", "--limit", "10000"], &whole[..]].concat();
        let page = self.polder.json(host, &all)?;
        let documents = page["documents"].as_array().context("a page has documents")?;
        let sum =
            |field: &str| documents.iter().filter_map(|document| document["document"][field].as_u64()).sum::<u64>();
        let (cases, tasks) = (sum("cases"), sum("tasks"));
        ensure!(
            (cases, tasks) == (history.aggregates(), history.events),
            "the view counts {cases} cases and {tasks} tasks, the history {} and {}",
            history.aggregates(),
            history.events
        );
        self.stage.text(&format!(
            "All {} documents together count {} cases and {} tasks: as many as the history has.\n ",
            documents.len(),
            grouped(cases),
            grouped(tasks)
        ));
        Ok(documents.len() as u64)
    }

    fn summary(&self, finished: &Finished, lost: &Lost, start: Instant) -> Result<()> {
        let Finished { host, imported, history, documents } = finished;
        let metrics = Metrics::read(&host.address)?;
        let syncs = metrics.get("polder_journal_syncs_total")?;
        let recorded = metrics.get("polder_commands_total{status=\"accepted\"}")?;
        let answered = imported.acks.len() as u64;
        self.stage.closing("Summary");
        self.stage.text(&format!(
            "history    {} events of {} cases; {documents} documents in permits/department-month agree with it\n\
             SIGKILL    {} commands were acknowledged before it, and {} of them are missing\n\
             import     {} commands answered in {:.1} s over HTTP, importer and host on this machine: {} commands/s\n\
             fsyncs     {} since the restart, for {} newly recorded commands: one for every {:.0}\n\
             journal    verified from its first byte to its last while the host runs\n\
             time       {:.0} s in all",
            grouped(history.events),
            grouped(history.aggregates()),
            grouped(lost.acknowledged),
            grouped(lost.missing),
            grouped(answered),
            imported.elapsed.as_secs_f64(),
            grouped((answered as f64 / imported.elapsed.as_secs_f64()) as u64),
            grouped(syncs),
            grouped(recorded),
            recorded as f64 / syncs.max(1) as f64,
            start.elapsed().as_secs_f64(),
        ));
        Ok(())
    }

    /// Runs a command, prints its output, and fails if the command fails.
    fn show(&self, host: Option<&Host>, words: &[&str]) -> Result<()> {
        self.stage.command(words);
        self.stage.text(&self.polder.run(host, words)?);
        Ok(())
    }

    fn history(&self, host: &Host, domain: &str) -> Result<History> {
        History::read(&self.polder.run(Some(host), &["events", "--domain", domain, "--json"])?)
    }

    /// The importer writes acknowledgements to stdout, where this program reads them. It does not wait for a lost host,
    /// because the demo must notice that a host dies.
    fn import_words(&self) -> [&str; 9] {
        ["import", &self.log, "--map", "map.toml", "--wait", "0", "--acks", "/dev/stdout", "--json"]
    }
}

/// The state after the crash.
struct Lost {
    /// Accepted commands whose acknowledgement had arrived.
    acknowledged: u64,
    /// Those of them that are not in the history.
    missing: u64,
    /// Events in the history after the restart.
    before: u64,
}

struct Finished {
    host: Host,
    imported: Imported,
    history: History,
    documents: u64,
}

/// Prints a line for each tenth of the import.
struct Milestones<'a> {
    stage: &'a Stage,
    step: u64,
}

impl<'a> Milestones<'a> {
    fn new(stage: &'a Stage, total: u64) -> Self {
        Self { stage, step: total.div_ceil(10).max(1) }
    }

    fn show(&self, count: u64, elapsed: Duration) {
        if count.is_multiple_of(self.step) {
            self.stage.text(&format!("{:>9} acknowledged   {:4.1} s", grouped(count), elapsed.as_secs_f64()));
        }
    }
}
