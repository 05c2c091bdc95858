//! `polder import`: rows of a log become commands, sent to a host. What a row means is the map's to say (`polder-import`); here it is
//! sent, in order for each aggregate, until the host has answered.

mod acks;
mod batch;
mod delivery;
mod dry_run;
mod lanes;
mod patience;
mod progress;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use polder_core::Descriptor;
use polder_import::{Map, Schemas};
use serde::Deserialize;

use crate::client::{Client, converse};
use crate::failure::{Failure, Outcome};
use crate::import::acks::Acks;
use crate::import::delivery::Delivery;
use crate::import::lanes::Lanes;
use crate::import::progress::Bar;
use crate::output::Output;
use crate::target::Target;

/// Send the rows of a log (CSV or XES, plain or compressed) as commands. Doing it again changes nothing.
///
/// The exit code is 0 when every row is in, from this import or an earlier one, or skipped by the map. It is 1 when rows were refused, which the
/// report names, or when the import could not go on.
#[derive(Args)]
pub(crate) struct Import {
    /// The log: .csv, .tsv or .xes, each also with .gz behind it; - for standard input.
    file: PathBuf,
    /// Says which column becomes what.
    #[arg(long, value_name = "MAP.toml")]
    map: PathBuf,
    /// Read every row and check it against the schemas of the host's domain; send nothing.
    #[arg(long)]
    dry_run: bool,
    /// Have rows decided again that were refused in an earlier import, because of the file, the map or a rule of the domain. A row that was
    /// accepted is never sent twice.
    #[arg(long, conflicts_with = "dry_run")]
    retry_refused: bool,
    /// Write each acknowledgement to this file, one line of JSON each, as it comes.
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    acks: Option<PathBuf>,
    /// Commands sent and not answered yet.
    #[arg(long, default_value = "2048", value_name = "N")]
    in_flight: NonZeroUsize,
    /// How long to wait for a host that is away or busy, in seconds, before giving up.
    #[arg(long, default_value = "30", value_name = "SECONDS")]
    wait: u64,
    #[command(flatten)]
    target: Target,
}

/// What a dry run needs to know of a domain.
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
            let DomainInfo { descriptor } = converse(client.read(request))?;
            let schemas = Schemas::new(&descriptor, &map)?;
            let plan = dry_run::read(rows, &schemas, &bar)?;
            bar.clear();
            output.answer(&plan, || plan.to_string())?;
            return verdict(plan.refused_count());
        }
        let acks = self.acks.as_deref().map(Acks::create).transpose()?;
        let patience = Duration::from_secs(self.wait);
        let delivery = Delivery { client, retry_refused: self.retry_refused, patience };
        let lanes = Lanes { in_flight: self.in_flight.get(), delivery };
        let (report, stopped) = converse(lanes.send_all(rows, acks, &bar))?;
        bar.clear();
        // Also of an import that did not come to its end: what was acknowledged stays so.
        output.answer(&report, || report.to_string())?;
        match progress.uncompared_keys() {
            0 => {}
            count => output.note(&format!(
                "the keys of {count} rows were not compared with those of all rows before: there are too many keys"
            )),
        }
        match stopped {
            Some(failure) => Err(failure),
            None => verdict(report.refused_count()),
        }
    }
}

fn verdict(refused: u64) -> Outcome {
    if refused == 0 { Ok(()) } else { Err(Failure::Told) }
}
