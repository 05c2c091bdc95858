//! `polder import`: turns the rows of a log into commands and sends them to a host. The map defines what a row means
//! (`polder-import`). This module sends the commands, in order for each aggregate, until the host has answered.

mod acks;
mod backoff;
mod batch;
mod delivery;
mod dry_run;
mod lanes;
mod progress;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use polder_core::{Descriptor, counted};
use polder_import::{Map, Schemas};
use serde::Deserialize;

use crate::arguments::target::Target;
use crate::client::{Client, block_on};
use crate::failure::{Failure, Outcome};
use crate::output::Output;
use acks::Acks;
use delivery::Delivery;
use lanes::Lanes;
use progress::Bar;

/// Send the rows of a log (CSV or XES, plain or compressed) as commands. Running it again changes nothing.
///
/// The exit code is 0 when every row is in, from this import or an earlier one, or skipped by the map. It is 1 when
/// rows were refused, which the report lists. An import that cannot continue ends as every other command: with 4 when
/// the host stays away.
#[derive(Args)]
pub(crate) struct Import {
    /// The log: .csv, .tsv or .xes, each also compressed as .gz; - for standard input.
    file: PathBuf,
    /// The map, which defines what each column becomes.
    #[arg(long, value_name = "MAP.toml")]
    map: PathBuf,
    /// Read every row and check it against the schemas of the host's domain; send nothing.
    #[arg(long)]
    dry_run: bool,
    /// Decide rows again that an earlier import refused, because of the file, the map or a rule of the domain. A row
    /// that was accepted is never applied twice.
    #[arg(long, conflicts_with = "dry_run")]
    retry_refused: bool,
    /// Write each acknowledgement to this file as it arrives, one line of JSON each.
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    acks: Option<PathBuf>,
    /// Commands that may be sent and not answered yet.
    #[arg(long, default_value = "2048", value_name = "N")]
    in_flight: NonZeroUsize,
    /// How long to wait for a host that is away or busy before the import stops, in seconds.
    #[arg(long, default_value = "30", value_name = "SECONDS")]
    wait: u64,
    #[command(flatten)]
    target: Target,
}

/// The part of a domain's description that a dry run needs.
#[derive(Deserialize)]
struct DomainInfo {
    descriptor: Descriptor,
}

impl Import {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let map = Map::read(&self.map)?;
        let rows = polder_import::Import::open(&self.file, map.clone())?;
        let client = Client::new(&self.target)?;
        let progress = rows.progress();
        let bar = Bar::new(rows.progress(), output.is_watched());
        if self.dry_run {
            let request = client.get(&["domains", map.domain.as_str()], &[]);
            let DomainInfo { descriptor } = block_on(client.read(request))?;
            let schemas = Schemas::new(&descriptor, &map)?;
            let plan = dry_run::read(rows, &schemas, &bar)?;
            bar.clear();
            output.answer(&plan, || plan.to_string())?;
            return verdict(plan.refused_count());
        }
        let acks = self.acks.as_deref().map(Acks::create).transpose()?;
        let retry_time_max = Duration::from_secs(self.wait);
        let delivery = Delivery { client, retry_refused: self.retry_refused, retry_time_max };
        let lanes = Lanes { in_flight: self.in_flight.get(), delivery };
        let (report, stopped) = block_on(lanes.send_all(rows, acks, &bar))?;
        bar.clear();
        // The report of an import that stopped early is printed too: acknowledged rows stay acknowledged.
        output.answer(&report, || report.to_string())?;
        match progress.uncompared_keys() {
            0 => {}
            count => output.note(&format!(
                "the keys of {} were not compared with all earlier ones: there are too many keys",
                counted(count, "row")
            )),
        }
        match stopped {
            Some(failure) => Err(failure),
            None => verdict(report.refused_count()),
        }
    }
}

fn verdict(refused: u64) -> Outcome {
    if refused == 0 { Ok(()) } else { Err(Failure::Reported) }
}
