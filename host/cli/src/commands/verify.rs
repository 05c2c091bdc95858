//! `polder verify`: reads a journal from its first byte to its last. It needs no host and changes nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use polder_core::{JournalNumber, TenantName, counted};
use polder_engine::LivingTenants;
use polder_journal::{KeyProblem, VerifyReport};
use polder_nats::journal::{JOURNAL_NAME, JournalLink, verify_stream_with};
use serde_json::Value;

use crate::arguments::nats::NatsArguments;
use crate::data_folder::check_holds_journal;
use crate::failure::{Failure, Outcome};
use crate::output::Output;
use crate::text::times::rfc3339;

/// Check every hash, link and event of a journal in a data folder, or of a set of journals at NATS.
#[derive(Args)]
pub(crate) struct Verify {
    /// The data folder that holds the journal.
    #[arg(long, value_name = "DIR", required_unless_present = "nats", conflicts_with = "nats")]
    data: Option<PathBuf>,
    #[command(flatten)]
    nats: NatsArguments,
    /// Name of the set of journals at NATS.
    #[arg(long, value_name = "NAME", default_value = JOURNAL_NAME)]
    journal_name: String,
    /// The file with the secret of the journals' hosts. Without it, the writers of frames at NATS cannot be verified.
    #[arg(long, value_name = "FILE", requires = "nats")]
    journal_secret: Option<PathBuf>,
}

impl Verify {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        if let Some(data) = &self.data {
            check_holds_journal(data)?;
            let (keys, mut living) = (polder_journal::keys_in(data)?, LivingTenants::default());
            let report = polder_journal::verify_with(data, &keys, |record| living.record(record))?;
            let problems = living.key_problems(&keys, &report.sealed);
            let mut answer = document(&report, &problems);
            answer["good"] = problems.is_empty().into();
            output.answer(&answer, || format!("{}: {}", word(&problems), text(&report, &problems)))?;
            return if problems.is_empty() { Ok(()) } else { Err(Failure::Reported) };
        }
        let reports = self.at_nats()?;
        let journals: Vec<_> = reports
            .iter()
            .map(|(number, report, problems)| {
                let mut journal = document(report, problems);
                journal["journal"] = serde_json::json!(number);
                journal
            })
            .collect();
        let is_good = reports.iter().all(|(_, _, problems)| problems.is_empty());
        output.answer(&serde_json::json!({ "good": is_good, "journals": journals }), || match &reports[..] {
            [(_, report, problems)] => format!("{}: {}", word(problems), text(report, problems)),
            _ => {
                let texts = reports.iter().map(|(number, report, problems)| {
                    format!("journal {number} is {}: {}", word(problems), text(report, problems))
                });
                texts.collect::<Vec<_>>().join("\n")
            }
        })?;
        if is_good { Ok(()) } else { Err(Failure::Reported) }
    }

    /// Checks all journals of the given name.
    fn at_nats(&self) -> anyhow::Result<Vec<(JournalNumber, VerifyReport, KeyProblems)>> {
        let connect = self.nats.options()?.context("name the data folder with --data, or a NATS server with --nats")?;
        let open =
            |number| JournalLink::open_to_read(&connect, &self.journal_name, number, self.journal_secret.as_deref());
        let first = open(JournalNumber::FIRST)?;
        let mut reports = Vec::new();
        for number in first.journals().numbers() {
            let link = if number == JournalNumber::FIRST { first.clone() } else { open(number)? };
            let mut living = LivingTenants::default();
            let (report, keys) = verify_stream_with(&link, |record| living.record(record))?;
            let problems = living.key_problems(&keys, &report.sealed);
            reports.push((number, report, problems));
        }
        Ok(reports)
    }
}

/// Key problems of tenants that were not removed: records that are sealed with such a key cannot be read.
type KeyProblems = BTreeMap<TenantName, KeyProblem>;

fn word(problems: &KeyProblems) -> &'static str {
    if problems.is_empty() { "good" } else { "keys are missing" }
}

fn document(report: &VerifyReport, problems: &KeyProblems) -> Value {
    let torn = report.torn.as_ref().map(|torn| {
        serde_json::json!({ "file": torn.file.display().to_string(), "offset": torn.offset, "what": torn.what.to_string() })
    });
    serde_json::json!({
        "files": report.files, "frames": report.frames, "bytes": report.bytes, "tenants": report.tenants,
        "aggregates": report.aggregates, "commands": report.commands, "rejected": report.rejected,
        "events": report.events, "head": report.head, "last_at_ms": report.last_at_ms, "closed": report.closed, "torn": torn,
        "sealed": report.sealed,
        "key_problems": problems.iter().map(|(tenant, problem)| (tenant.to_string(), problem.to_string())).collect::<BTreeMap<_, _>>(),
    })
}

fn text(report: &VerifyReport, problems: &KeyProblems) -> String {
    let mut text = format!(
        "{} of {}, {} ({} rejected), in {}{}, {}\nhead {}",
        counted(report.events, "event"),
        counted(report.aggregates, "aggregate"),
        counted(report.commands, "command"),
        report.rejected,
        counted(report.frames, "frame"),
        if report.files == 0 { String::new() } else { format!(" of {}", counted(report.files, "file")) },
        counted(report.bytes, "byte"),
        report.head
    );
    if let Some(at) = report.last_at_ms {
        text.push_str(&format!(", written {}", rfc3339(at.0)));
    }
    for (tenant, records) in &report.sealed {
        let is_living = problems.keys().any(|living| living.as_str() == tenant);
        let why = if is_living { "its key cannot be used" } else { "the tenant was removed, and its key destroyed" };
        text.push_str(&format!("\n{} of tenant {tenant} cannot be read: {why}", counted(records, "record")));
    }
    for (tenant, problem) in problems {
        text.push_str(&format!("\nthe key of tenant {tenant}: {problem}; restore it from a copy of the data folder"));
    }
    if let Some(torn) = &report.torn {
        text.push_str(&format!(
            "\npart of the last frame is missing: {} at byte {}: {}; it is being written now, or a crash left it so, and then it was never acknowledged",
            torn.file.display(),
            torn.offset,
            torn.what
        ));
    }
    text
}
