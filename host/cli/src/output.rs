//! Output on stdout and stderr: text for people, or JSON on request. If the reader is gone, the command ends silently.

use std::io::{ErrorKind, IsTerminal, Write};
use std::process::ExitCode;

use serde::Serialize;

use crate::failure::{Failure, Outcome};

#[derive(Clone, Copy)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Whether a person watches, so that long work may show its progress.
    pub(crate) fn is_watched(&self) -> bool {
        !self.json && std::io::stderr().is_terminal()
    }

    /// Prints one answer: `value` as one line of JSON, or the result of `text`.
    pub(crate) fn answer(&self, value: &impl Serialize, text: impl FnOnce() -> String) -> Outcome {
        if self.json { self.line(&serde_json::to_string(value)?) } else { self.line(text().trim_end()) }
    }

    /// Prints one or several lines on stdout and flushes it.
    pub(crate) fn line(&self, text: &str) -> Outcome {
        let mut stdout = std::io::stdout().lock();
        let written = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
        match written {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Failure::ReaderGone),
            Err(error) => Err(anyhow::Error::from(error).context("cannot write to stdout").into()),
        }
    }

    /// Prints a note about the work on stderr. Only people see it, so `--json` turns it off.
    pub(crate) fn note(&self, text: &str) {
        if !self.json {
            // If stderr is closed, there is no reader left.
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    /// Reports why a command failed: the message on stderr, and with `--json` a document on stdout. Returns the exit
    /// code.
    pub(crate) fn failure(&self, failure: Failure) -> ExitCode {
        let code = failure.exit_code();
        match failure {
            Failure::ReaderGone | Failure::Reported | Failure::Rejected => {}
            Failure::Problem(problem) => self.problem(problem.document(), &problem.to_string()),
            Failure::NoHost(error) | Failure::Failed(error) => {
                let message = format!("{error:#}");
                self.problem(&serde_json::json!({ "error": message }), &message);
            }
        }
        ExitCode::from(code)
    }

    fn problem(&self, document: &serde_json::Value, message: &str) {
        let _ = writeln!(std::io::stderr(), "error: {message}");
        if self.json {
            let _ = writeln!(std::io::stdout(), "{document}");
        }
    }
}
