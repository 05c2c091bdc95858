//! Output of a measurement: its report on stdout, and notes about its progress on stderr.

use std::io::Write as _;

use serde::Serialize;

pub(crate) struct Output {
    is_json: bool,
}

impl Output {
    pub(crate) fn new(is_json: bool) -> Self {
        Self { is_json }
    }

    /// Prints the report: as one line of JSON, or as `text` formats it.
    pub(crate) fn report(&self, report: &impl Serialize, text: impl FnOnce() -> String) -> anyhow::Result<()> {
        let text = if self.is_json { serde_json::to_string(report)? } else { text() };
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{}", text.trim_end())?;
        // A reader may wait for the report while this process goes on, as with `fill --hold`.
        Ok(stdout.flush()?)
    }

    /// Prints a note about the progress. Only people read it, so `--json` turns it off.
    pub(crate) fn note(&self, text: &str) {
        if !self.is_json {
            eprintln!("{text}");
        }
    }
}
