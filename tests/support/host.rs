//! A host as a child process. It ends with the test, even if the test fails.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::NamedTempFile;

use crate::binary::{Ran, command, polder, text};
use crate::client::Client;

const LISTENING: &str = "listening on ";

pub struct Host {
    child: Child,
    address: String,
    log: NamedTempFile,
}

impl Host {
    /// Starts `polder serve` on a data folder and a free port, and waits until it listens.
    #[track_caller]
    pub fn start(data: &Path) -> Self {
        Self::start_with(data, &[])
    }

    /// Works like [`start`](Self::start), with more options.
    #[track_caller]
    pub fn start_with(data: &Path, options: &[&str]) -> Self {
        Self::run(command(&[&["serve", "--data", text(data), "--listen", "127.0.0.1:0"], options].concat()))
    }

    /// Works like [`start`](Self::start), on the address of an earlier host.
    #[track_caller]
    pub fn start_at(data: &Path, address: &str) -> Self {
        let address = address.trim_start_matches("http://");
        Self::run(command(&["serve", "--data", text(data), "--listen", address]))
    }

    /// Works like [`start`](Self::start), in a process with these soft and hard limits of open files.
    #[track_caller]
    pub fn start_with_descriptors(data: &Path, at_first: u64, at_most: u64) -> Self {
        let limits = format!("ulimit -Sn {at_first} && ulimit -Hn {at_most} && exec \"$0\" \"$@\"");
        let served = command(&["serve", "--data", text(data), "--listen", "127.0.0.1:0"]);
        let mut limited = Command::new("sh");
        limited.arg("-c").arg(limits).arg(served.get_program()).args(served.get_args());
        for (name, value) in served.get_envs() {
            match value {
                Some(value) => limited.env(name, value),
                None => limited.env_remove(name),
            };
        }
        Self::run(limited)
    }

    #[track_caller]
    fn run(mut command: Command) -> Self {
        let log = NamedTempFile::new().expect("a file for the host's log");
        let stderr = File::create(log.path()).expect("the log can be written");
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr).spawn().expect("polder starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut line).expect("stdout can be read");
        let mut host = Self { child, address: String::new(), log };
        match line.trim_end().strip_prefix(LISTENING) {
            Some(address) => host.address = address.to_owned(),
            None => panic!("the host did not start: {line:?}\n{}", host.log()),
        }
        host
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn client(&self) -> Client {
        Client::new(&self.address)
    }

    /// Runs `polder` against this host.
    pub fn polder(&self, arguments: &[&str]) -> Ran {
        let with_host: Vec<&str> = arguments.iter().copied().chain(["--host", &self.address]).collect();
        polder(&with_host)
    }

    /// The id of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Linux's status of its process, one line per field.
    pub fn process_status(&self) -> String {
        std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the host is there")
    }

    /// Its resident memory, in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let status = self.process_status();
        let field = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process has resident memory");
        field.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of kilobytes") * 1024
    }

    /// Stops the process with SIGSTOP: it exists, but does nothing.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// Continues the process with SIGCONT.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    #[track_caller]
    fn signal(&self, name: &str) {
        // The standard library sends SIGKILL only; every shell can send others.
        let sent = Command::new("sh").args(["-c", "kill -\"$0\" \"$1\"", name, &self.child.id().to_string()]).status();
        assert!(sent.expect("a shell").success(), "the host had ended before: {}", self.log());
    }

    /// Its stderr so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log.path()).expect("the log can be read")
    }

    /// Kills the host with SIGKILL, so that it cannot clean up.
    pub fn kill(mut self) {
        self.child.kill().expect("the host can be killed");
        self.child.wait().expect("the host ends");
    }

    /// Stops the host with SIGTERM; returns the log after an orderly end.
    #[track_caller]
    pub fn stop(mut self) -> String {
        self.signal("TERM");
        let status = self.child.wait().expect("the host ends");
        assert!(status.success(), "the host ended with {status}: {}", self.log());
        self.log()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Both fail only when the process has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
