//! The built command, run in the demo's folder. Every process that is started here ends with its value, whatever happens.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

const LISTENING: &str = "listening on ";
/// What is shown of a host's log when it does not start.
const LOG_LINES_SHOWN: usize = 10;

pub(super) struct Polder {
    pub(super) program: PathBuf,
    pub(super) folder: PathBuf,
}

/// A process that does not outlive its value.
pub(super) struct Running(Child);

pub(super) struct Host {
    process: Running,
    /// `http://127.0.0.1:41053`.
    pub(super) address: String,
}

/// What a run said, and whether it went well.
pub(super) struct Said {
    pub(super) good: bool,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Polder {
    /// Runs to its end; a refusal is an answer too.
    pub(super) fn ask(&self, host: Option<&Host>, words: &[&str]) -> Result<Said> {
        let output = self.command(host, words).stdin(Stdio::null()).output().with_context(|| self.cannot_start())?;
        Ok(Said {
            good: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Runs to its end, which has to be a good one; gives what it wrote to stdout.
    pub(super) fn run(&self, host: Option<&Host>, words: &[&str]) -> Result<String> {
        let said = self.ask(host, words)?;
        if !said.good {
            bail!("polder {} failed: {}{}", words.join(" "), said.stdout, said.stderr.trim_end());
        }
        Ok(said.stdout)
    }

    pub(super) fn json(&self, host: &Host, words: &[&str]) -> Result<Value> {
        let text = self.run(Some(host), &[words, &["--json"]].concat())?;
        serde_json::from_str(&text).with_context(|| format!("polder {} --json gave no JSON: {text}", words.join(" ")))
    }

    /// Starts, and leaves stdout to be read as it comes.
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
        BufReader::new(stdout).read_line(&mut line).context("cannot read what the host says")?;
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

    /// Waits for the end; gives what was said on stderr. To be called when stdout has been read to its end.
    pub(super) fn finish(mut self) -> Result<(bool, String)> {
        let mut said = String::new();
        if let Some(mut stderr) = self.0.stderr.take() {
            stderr.read_to_string(&mut said).context("cannot read what a process says")?;
        }
        Ok((self.0.wait()?.success(), said))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when the process has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Host {
    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// SIGKILL: no chance to tidy up.
    pub(super) fn kill(&mut self) -> Result<()> {
        self.process.0.kill().context("cannot kill the host")?;
        self.process.0.wait().map(drop).context("the killed host does not end")
    }

    /// Leaves the host running when the demo has ended.
    pub(super) fn keep(self) {
        std::mem::forget(self);
    }
}

fn last_lines(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
}
