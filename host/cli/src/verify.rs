//! `polder verify`: reads a journal from its first byte to its last. Needs no host, and changes nothing.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Args;
use polder_bridge::journal::{JOURNAL_NAME, JournalLink, verify_stream};
use polder_journal::VerifyReport;

use crate::failure::Outcome;
use crate::nats::NatsArguments;
use crate::output::Output;
use crate::times::rfc3339;

/// Check every hash, link and event of a journal: a data folder's, or one at NATS.
#[derive(Args)]
pub(crate) struct Verify {
    /// The data folder, of a journal that is kept there.
    #[arg(long, value_name = "DIR", required_unless_present = "nats", conflicts_with = "nats")]
    data: Option<PathBuf>,
    #[command(flatten)]
    nats: NatsArguments,
    /// The journal's name at NATS.
    #[arg(long, value_name = "NAME", default_value = JOURNAL_NAME)]
    journal_name: String,
}

impl Verify {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let report = self.verify()?;
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
                "good: {} events of {} aggregates, {} commands ({} rejected), in {} frames{}, {} bytes\nhead {}",
                report.events,
                report.aggregates,
                report.commands,
                report.rejected,
                report.frames,
                if report.files == 0 { String::new() } else { format!(" of {} files", report.files) },
                report.bytes,
                report.head
            );
            if let Some(at) = report.last_at_ms {
                text.push_str(&format!(", written {}", rfc3339(at.0)));
            }
            for (tenant, records) in &report.sealed {
                text.push_str(&format!(
                    "\n{records} records of tenant {tenant} cannot be read: its key is destroyed, or lost"
                ));
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

impl Verify {
    fn verify(&self) -> anyhow::Result<VerifyReport> {
        if let Some(data) = &self.data {
            journal_in(data)?;
            return Ok(polder_journal::verify(data)?);
        }
        let connect = self.nats.options()?.context("name the data folder with --data, or a NATS server with --nats")?;
        let link = JournalLink::open_to_read(&connect, &self.journal_name)?;
        Ok(verify_stream(&link)?)
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
