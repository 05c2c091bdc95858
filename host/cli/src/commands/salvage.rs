//! `polder salvage`: saves what lies before the first damage of a journal. The damaged folder is not changed.

use std::path::PathBuf;

use clap::Args;

use crate::data_folder::check_holds_journal;
use crate::failure::Outcome;
use crate::output::Output;
use polder_core::counted;

/// Copy the good part of a damaged journal into a new folder.
#[derive(Args)]
pub(crate) struct Salvage {
    /// The damaged data folder.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The folder to write to. It must be empty or missing.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

impl Salvage {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        check_holds_journal(&self.data)?;
        let report = polder_journal::salvage(&self.data, &self.out)?;
        let stopped = report.stopped.as_ref().map(|stopped| {
            serde_json::json!({ "file": stopped.file.display().to_string(), "offset": stopped.offset, "what": stopped.what })
        });
        let answer = serde_json::json!({
            "frames": report.frames, "commands": report.commands, "events": report.events, "stopped": stopped,
        });
        output.answer(&answer, || {
            let (events, commands) = (counted(report.events, "event"), counted(report.commands, "command"));
            let saved = format!("saved {events} of {commands} in {}", counted(report.frames, "frame"));
            match &report.stopped {
                None => format!("{saved}: all of it, nothing was damaged"),
                Some(stopped) => {
                    format!("{saved}, up to {} at byte {}: {}", stopped.file.display(), stopped.offset, stopped.what)
                }
            }
        })
    }
}
