//! A host in its own process, for figures that count from the start of the process, and for hosts that are killed.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::killed_on_drop::KilledOnDrop;

/// Prefix of the line that reports a host as ready.
const READY: &str = "listening on ";
/// Pause between two checks whether a host has ended.
const END_CHECK_PAUSE: Duration = Duration::from_millis(10);

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
        Self::run(Command::new(polder()?), data, options, log)
    }

    /// Works like [`start_with`](Self::start_with), in a process that may have this many open files.
    pub(crate) fn start_with_descriptors(
        data: &Path,
        options: &[OsString],
        log: Stdio,
        descriptors_max: u64,
    ) -> anyhow::Result<Self> {
        let mut limited = Command::new("sh");
        limited.arg("-c").arg(format!("ulimit -n {descriptors_max} && exec \"$0\" \"$@\"")).arg(polder()?);
        Self::run(limited, data, options, log)
    }

    fn run(mut command: Command, data: &Path, options: &[OsString], log: Stdio) -> anyhow::Result<Self> {
        let began = Instant::now();
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data).args(options);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn()?;
        let mut process = KilledOnDrop(child);
        let line = first_line(&mut process.0, |line| line.starts_with(READY))?;
        let address = line.trim_start_matches(READY).to_owned();
        Ok(Self { process, address, ready_ms: began.elapsed().as_secs_f64() * 1e3 })
    }

    /// The id of its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.0.id()
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

    /// Ends the host with SIGTERM. Returns the time until its process has ended, and how it ended: `None` if it is
    /// killed because it has not ended within `wait_max`.
    pub(crate) fn end_within(mut self, wait_max: Duration) -> anyhow::Result<(Duration, Option<ExitStatus>)> {
        let began = Instant::now();
        kill_process(Pid::from_child(&self.process.0), Signal::TERM)?;
        loop {
            let status = self.process.0.try_wait()?;
            if status.is_some() || began.elapsed() > wait_max {
                return Ok((began.elapsed(), status));
            }
            std::thread::sleep(END_CHECK_PAUSE);
        }
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

/// Runs `polder verify` on the data folder of a host that has ended. Returns what it printed if it found the journal
/// damaged.
pub(crate) fn verify(data: &Path) -> anyhow::Result<Result<(), String>> {
    let ran = Command::new(polder()?).args(["verify", "--data"]).arg(data).stdin(Stdio::null()).output()?;
    let text = || [ran.stdout.as_slice(), ran.stderr.as_slice()].map(String::from_utf8_lossy).concat();
    Ok(if ran.status.success() { Ok(()) } else { Err(text()) })
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
