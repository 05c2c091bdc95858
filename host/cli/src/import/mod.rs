//! `polder import`: rows of a log become commands, sent to a host. What a row means is the map's to say (`polder-import`); here it is
//! sent, in order for each aggregate, until the host has answered.

mod acks;
mod delivery;
mod dry_run;
mod lanes;
mod patience;
mod progress;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use polder_import::Map;

use crate::client::{Client, converse};
use crate::failure::{Failure, Outcome};
use crate::import::acks::Acks;
use crate::import::lanes::Lanes;
use crate::import::progress::Bar;
use crate::output::Output;
use crate::target::Target;

/// Send the rows of a log (CSV or XES, plain or compressed) as commands. Doing it again changes nothing.
#[derive(Args)]
pub(crate) struct Import {
    /// The log: .csv, .tsv or .xes, each also with .gz behind it.
    file: PathBuf,
    /// Says which column becomes what.
    #[arg(long, value_name = "MAP.toml")]
    map: PathBuf,
    /// Read and check every row, send nothing.
    #[arg(long)]
    dry_run: bool,
    /// Write each acknowledgement to this file, one line of JSON each, as it comes.
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    acks: Option<PathBuf>,
    /// Commands sent and not answered yet.
    #[arg(long, default_value = "64", value_name = "N")]
    in_flight: NonZeroUsize,
    /// How long to wait for a host that is away or busy, in seconds, before giving up.
    #[arg(long, default_value = "30", value_name = "SECONDS")]
    wait: u64,
    #[command(flatten)]
    target: Target,
}

impl Import {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let map = Map::read(&self.map)?;
        let rows = polder_import::Import::open(&self.file, map)?;
        let bar = Bar::new(rows.progress(), output.is_watched());
        if self.dry_run {
            let plan = dry_run::read(rows, &bar)?;
            bar.clear();
            output.answer(&plan, || plan.to_string())?;
            return verdict(plan.refused_count());
        }
        let acks = self.acks.as_deref().map(Acks::create).transpose()?;
        let lanes = Lanes { count: self.in_flight.get(), patience: Duration::from_secs(self.wait) };
        let client = Client::new(&self.target)?;
        let (report, stopped) = converse(lanes.send_all(client, rows, acks, &bar))?;
        bar.clear();
        // Also of an import that did not come to its end: what was acknowledged stays so.
        output.answer(&report, || report.to_string())?;
        match stopped {
            Some(failure) => Err(failure),
            None => verdict(report.refused_count()),
        }
    }
}

fn verdict(refused: u64) -> Outcome {
    if refused == 0 { Ok(()) } else { Err(Failure::Told) }
}
