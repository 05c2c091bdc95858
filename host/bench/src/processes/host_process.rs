//! A host in its own process, for figures that count from the start of the process, and for hosts that are killed.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::killed_on_drop::KilledOnDrop;

/// Prefix of the line that reports a host as ready.
const READY: &str = "listening on ";

/// A running `polder serve`. It is killed when this value is dropped.
pub(crate) struct HostProcess {
    process: KilledOnDrop,
    pub(crate) address: String,
    /// Time from the start of the process to the line with the host's address.
    pub(crate) ready_ms: f64,
}

impl HostProcess {
    /// Starts a host on a data folder, and waits until it is ready.
    pub(crate) fn start(data: &Path) -> anyhow::Result<Self> {
        Self::start_with(data, &[], Stdio::null())
    }

    /// Starts a host with further options of `polder serve`. Its log goes to `log`.
    pub(crate) fn start_with(data: &Path, options: &[OsString], log: Stdio) -> anyhow::Result<Self> {
        let program = polder()?;
        let began = Instant::now();
        let mut command = Command::new(program);
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data).args(options);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn()?;
        let mut process = KilledOnDrop(child);
        let line = first_line(&mut process.0, |line| line.starts_with(READY))?;
        let address = line.trim_start_matches(READY).to_owned();
        Ok(Self { process, address, ready_ms: began.elapsed().as_secs_f64() * 1e3 })
    }

    /// Resident memory of the host, in bytes.
    pub(crate) fn resident_bytes(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.0.id()))?;
        let field = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS in its status")?;
        let kib: u64 = field.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * 1_024)
    }

    /// CPU time of all threads of the host so far.
    pub(crate) fn cpu_time(&self) -> anyhow::Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.0.id()))?;
        // The second field is the program's name in brackets, which may hold any text. Fields 14 and 15 are ticks in
        // user and in kernel mode.
        let fields = stat.rsplit_once(')').context("no name in its statistics")?.1;
        let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
        Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
    }

    /// Ends the host with SIGTERM, and waits until it has closed its data folder.
    pub(crate) fn close(mut self) -> anyhow::Result<()> {
        kill_process(Pid::from_child(&self.process.0), Signal::TERM)?;
        let status = self.process.0.wait()?;
        ensure!(status.success(), "the host ended with {status}");
        Ok(())
    }
}

/// Reads the first line of a child's stdout that `is_wanted` accepts. Nothing else may read its stdout.
pub(crate) fn first_line(child: &mut Child, is_wanted: impl Fn(&str) -> bool) -> anyhow::Result<String> {
    let stdout = child.stdout.take().context("its stdout is piped")?;
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        if is_wanted(&line) {
            return Ok(line);
        }
    }
    bail!("the process ended before it was ready")
}

/// The file of `polder`, which is built beside this program.
fn polder() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe().context("cannot find the path of this program")?.with_file_name("polder");
    ensure!(
        program.is_file(),
        "{} is missing: build it with `cargo build --package polder-cli`, in the profile of this program",
        program.display()
    );
    Ok(program)
}
