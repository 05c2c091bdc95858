//! A host in its own process, for figures that count from the start of the process.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rustix::process::{Pid, Signal, kill_process};

/// Prefix of the line that reports a host as ready.
const READY: &str = "listening on ";

pub(super) struct Served {
    child: Child,
    pub(super) address: String,
    /// Time from the start of the process to the line with the host's address.
    pub(super) ready_ms: f64,
}

impl Served {
    pub(super) fn start(folder: &Path) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("cannot find the path of this program")?;
        let began = Instant::now();
        let mut command = Command::new(program);
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(folder);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        match line_of(&mut child, |line| line.starts_with(READY)) {
            Ok(line) => {
                let address = line.trim_start_matches(READY).to_owned();
                Ok(Self { child, address, ready_ms: began.elapsed().as_secs_f64() * 1e3 })
            }
            Err(error) => {
                kill(&mut child)?;
                Err(error)
            }
        }
    }

    /// Resident memory of the host, in bytes.
    pub(super) fn resident_bytes(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let field = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS in its status")?;
        let kib: u64 = field.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * 1_024)
    }

    /// CPU time of all threads of the host so far.
    pub(super) fn cpu_time(&self) -> anyhow::Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The second field is the program's name in brackets, which may hold any text. Fields 14 and 15 are ticks in
        // user and in kernel mode.
        let fields = stat.rsplit_once(')').context("no name in its statistics")?.1;
        let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
        Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
    }

    pub(super) fn kill(mut self) -> anyhow::Result<()> {
        kill(&mut self.child)
    }

    pub(super) fn close(mut self) -> anyhow::Result<()> {
        let id = Pid::from_child(&self.child);
        kill_process(id, Signal::TERM)?;
        let status = self.child.wait()?;
        ensure!(status.success(), "the host ended with {status}");
        Ok(())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Both fail only if the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) fn line_of(child: &mut Child, wanted: impl Fn(&str) -> bool) -> anyhow::Result<String> {
    let stdout = child.stdout.take().context("its stdout is piped")?;
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        if wanted(&line) {
            return Ok(line);
        }
    }
    anyhow::bail!("the process ended before it was ready")
}

pub(super) fn kill(child: &mut Child) -> anyhow::Result<()> {
    child.kill()?;
    child.wait()?;
    Ok(())
}
