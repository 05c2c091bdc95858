//! The built command, run in the demo's folder. Each process started here ends when its value is dropped.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

const LISTENING: &str = "listening on ";
/// The number of log lines that are printed when a host does not start.
const LOG_LINES_SHOWN: usize = 10;

pub(super) struct Polder {
    pub(super) program: PathBuf,
    pub(super) folder: PathBuf,
}

/// A process that ends when this value is dropped.
pub(super) struct Running(Child);

pub(super) struct Host {
    process: Running,
    /// The URL of the host, such as `http://127.0.0.1:41053`.
    pub(super) address: String,
}

/// The output of a run, and whether it succeeded.
pub(super) struct Outcome {
    pub(super) succeeded: bool,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Polder {
    /// Runs a command to its end. A refusal is a result, too.
    pub(super) fn ask(&self, host: Option<&Host>, words: &[&str]) -> Result<Outcome> {
        let output = self.command(host, words).stdin(Stdio::null()).output().with_context(|| self.cannot_start())?;
        Ok(Outcome {
            succeeded: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Runs a command that must succeed, and returns its stdout.
    pub(super) fn run(&self, host: Option<&Host>, words: &[&str]) -> Result<String> {
        let outcome = self.ask(host, words)?;
        if !outcome.succeeded {
            bail!("polder {} failed: {}{}", words.join(" "), outcome.stdout, outcome.stderr.trim_end());
        }
        Ok(outcome.stdout)
    }

    pub(super) fn json(&self, host: &Host, words: &[&str]) -> Result<Value> {
        let text = self.run(Some(host), &[words, &["--json"]].concat())?;
        serde_json::from_str(&text).with_context(|| format!("polder {} --json gave no JSON: {text}", words.join(" ")))
    }

    /// Starts a command, and leaves its stdout to the caller to read.
    pub(super) fn start(&self, host: &Host, words: &[&str]) -> Result<(Running, BufReader<ChildStdout>)> {
        let mut command = self.command(Some(host), words);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| self.cannot_start())?;
        let stdout = child.stdout.take().context("stdout was piped")?;
        Ok((Running(child), BufReader::new(stdout)))
    }

    /// Starts a host and waits until it listens. Its log goes to `log` in the demo's folder.
    pub(super) fn serve(&self, words: &[&str], log: &str) -> Result<Host> {
        let log = self.folder.join(log);
        let stderr = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut child = self
            .command(None, words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .with_context(|| self.cannot_start())?;
        let stdout = child.stdout.take().context("stdout was piped")?;
        let process = Running(child);
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).context("cannot read the host's output")?;
        match line.trim_end().strip_prefix(LISTENING) {
            Some(address) => Ok(Host { process, address: address.to_owned() }),
            None => bail!("the host did not start; its log ends with\n{}", last_lines(&log)),
        }
    }

    fn command(&self, host: Option<&Host>, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(&self.folder).args(words).env_remove("POLDER_LOG").env_remove("POLDER_HOST");
        command.env_remove("POLDER_TOKEN");
        if let Some(host) = host {
            command.env("POLDER_HOST", &host.address);
        }
        command
    }

    fn cannot_start(&self) -> String {
        format!("cannot start {}", self.program.display())
    }
}

impl Running {
    pub(super) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Waits for the end of the process, and returns its stderr. Call it after stdout has been read to its end.
    pub(super) fn finish(mut self) -> Result<(bool, String)> {
        let mut text = String::new();
        if let Some(mut stderr) = self.0.stderr.take() {
            stderr.read_to_string(&mut text).context("cannot read the output of a process")?;
        }
        Ok((self.0.wait()?.success(), text))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when the process has already ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Host {
    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Kills the host with SIGKILL, so that it cannot clean up.
    pub(super) fn kill(&mut self) -> Result<()> {
        self.process.0.kill().context("cannot kill the host")?;
        self.process.0.wait().map(drop).context("the killed host does not end")
    }

    /// Leaves the host running after the demo.
    pub(super) fn keep(self) {
        std::mem::forget(self);
    }
}

fn last_lines(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
}
