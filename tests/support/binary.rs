//! Runs `polder` once, to its end.

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::paths::polder_file;

/// The result of a run.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    /// The arguments, for the messages of failed tests.
    arguments: String,
}

/// Runs `polder` in the current folder, without the environment variables that would change its behaviour.
pub fn polder(arguments: &[&str]) -> Ran {
    run(command(arguments), arguments, b"")
}

pub fn polder_with_input(arguments: &[&str], input: &[u8]) -> Ran {
    run(command(arguments), arguments, input)
}

pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(polder_file());
    command
        .args(arguments)
        .env_remove("POLDER_HOST")
        .env_remove("POLDER_TOKEN")
        .env_remove("POLDER_LOG")
        .env_remove("POLDER_NATS");
    command
}

fn run(mut command: Command, arguments: &[&str], input: &[u8]) -> Ran {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("polder starts");
    // The program may close the pipe without reading all of it; that is not a failure.
    let _ = child.stdin.take().expect("stdin is piped").write_all(input);
    let output = child.wait_with_output().expect("polder ends");
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).expect("polder writes UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("polder writes UTF-8"),
        arguments: arguments.join(" "),
    }
}

impl Ran {
    /// Checks that the run succeeded without messages on stderr; returns its stdout.
    #[track_caller]
    pub fn good(&self) -> &str {
        assert_eq!((self.code, self.stderr.as_str()), (0, ""), "{self}");
        self.stdout.trim_end()
    }

    /// Checks that the run succeeded; returns its line of JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(self.good()).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    /// Checks that the run failed or was refused, but was not a wrong use, with an empty stdout; returns its stderr.
    #[track_caller]
    pub fn refused(&self) -> &str {
        assert!(matches!(self.code, 1 | 3 | 4), "{self}");
        assert_eq!(self.stdout, "", "{self}");
        self.stderr.trim_end()
    }

    /// Works like [`refused`](Self::refused), for a refusal by the domain or the host.
    #[track_caller]
    pub fn rejected(&self) -> &str {
        assert_eq!(self.code, 3, "{self}");
        self.refused()
    }

    /// Works like [`refused`](Self::refused), for a host that does not answer or cannot work now.
    #[track_caller]
    pub fn without_host(&self) -> &str {
        assert_eq!(self.code, 4, "{self}");
        self.refused()
    }

    /// Checks that the run was a wrong use; returns the message with the usage.
    #[track_caller]
    pub fn misused(&self) -> &str {
        assert_eq!((self.code, self.stdout.as_str()), (2, ""), "{self}");
        self.stderr.trim_end()
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, stdout, stderr, arguments } = self;
        write!(f, "polder {arguments}\nended with {code}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("paths of tests are UTF-8")
}
