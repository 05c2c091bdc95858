//! `polder verify`: reads a journal from its first byte to its last. Needs no host, and changes nothing.

use std::path::{Path, PathBuf};

use anyhow::ensure;
use clap::Args;

use crate::failure::Outcome;
use crate::output::Output;
use crate::times::rfc3339;

/// Check every hash, link and event of a data folder's journal.
#[derive(Args)]
pub(crate) struct Verify {
    /// The data folder.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
}

impl Verify {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        journal_in(&self.data)?;
        let report = polder_journal::verify(&self.data)?;
        let torn = report.torn.as_ref().map(|torn| {
            serde_json::json!({ "file": torn.file.display().to_string(), "offset": torn.offset, "what": torn.what.to_string() })
        });
        let answer = serde_json::json!({
            "good": true, "files": report.files, "frames": report.frames, "bytes": report.bytes, "tenants": report.tenants,
            "aggregates": report.aggregates, "commands": report.commands, "rejected": report.rejected,
            "events": report.events, "head": report.head, "last_at_ms": report.last_at_ms, "closed": report.closed, "torn": torn,
            "sealed": report.sealed,
        });
        output.answer(&answer, || {
            let mut text = format!(
                "good: {} events of {} aggregates, {} commands ({} rejected), in {} frames of {} files, {} bytes\nhead {}",
                report.events,
                report.aggregates,
                report.commands,
                report.rejected,
                report.frames,
                report.files,
                report.bytes,
                report.head
            );
            if let Some(at) = report.last_at_ms {
                text.push_str(&format!(", written {}", rfc3339(at.0)));
            }
            for (tenant, records) in &report.sealed {
                text.push_str(&format!("\n{records} records of tenant {tenant} cannot be read: its key is destroyed, or lost"));
            }
            if let Some(torn) = &report.torn {
                text.push_str(&format!(
                    "\nan unfinished end, of which nobody was told: {} at byte {}: {}",
                    torn.file.display(),
                    torn.offset,
                    torn.what
                ));
            }
            text
        })
    }
}

/// Tells a mistyped folder from a damaged journal.
pub(crate) fn journal_in(data: &Path) -> Result<(), anyhow::Error> {
    ensure!(data.exists(), "there is no folder {}: name the one that `polder serve --data` was given", data.display());
    ensure!(
        data.join(polder_journal::SEGMENTS_FOLDER).is_dir(),
        "{} holds no journal: name the folder that `polder serve --data` was given",
        data.display()
    );
    Ok(())
}
