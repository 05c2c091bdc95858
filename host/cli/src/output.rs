//! What leaves on stdout and stderr: text for people, or JSON when asked. A reader that has gone ends the command without noise.

use std::io::{ErrorKind, IsTerminal, Write};

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

    /// Someone watches, so long work may show how far it is.
    pub(crate) fn is_watched(&self) -> bool {
        !self.json && std::io::stderr().is_terminal()
    }

    /// One answer: `value` as one line of JSON, or what `text` makes of it.
    pub(crate) fn answer(&self, value: &impl Serialize, text: impl FnOnce() -> String) -> Outcome {
        if self.json { self.line(&serde_json::to_string(value)?) } else { self.line(text().trim_end()) }
    }

    /// One line, or several, on stdout at once.
    pub(crate) fn line(&self, text: &str) -> Outcome {
        let mut stdout = std::io::stdout().lock();
        let written = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
        match written {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Failure::ReaderGone),
            Err(error) => Err(anyhow::Error::from(error).context("cannot write to stdout").into()),
        }
    }

    /// For people only: a word on stderr about what goes on.
    pub(crate) fn note(&self, text: &str) {
        if !self.json {
            // Nobody is left to tell when stderr is closed.
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    /// A failure: the message on stderr, and with `--json` the document on stdout.
    pub(crate) fn problem(&self, document: &serde_json::Value, message: &str) {
        let _ = writeln!(std::io::stderr(), "error: {message}");
        if self.json {
            let _ = writeln!(std::io::stdout(), "{document}");
        }
    }
}
