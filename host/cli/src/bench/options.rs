//! What several benches are asked: where, how much, and how the work is spread.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use polder_engine::HostOptions;

use super::spread::Spread;

/// Where the work is done, and what is run.
#[derive(Args)]
pub(super) struct Place {
    /// A folder on the disk to be measured; a new one is made in it, and removed at the end.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(super) dir: PathBuf,
    /// The `orders` component [default: the one that `cargo xtask guests` builds beside this program].
    #[arg(long, value_name = "FILE")]
    pub(super) component: Option<PathBuf>,
}

impl Place {
    pub(super) fn folder(&self) -> anyhow::Result<tempfile::TempDir> {
        tempfile::Builder::new()
            .prefix("polder-bench-")
            .tempdir_in(&self.dir)
            .with_context(|| format!("cannot make a folder in {}", self.dir.display()))
    }

    pub(super) fn component(&self) -> anyhow::Result<Vec<u8>> {
        super::component(self.component.as_deref())
    }
}

/// How many commands, on how many aggregates.
#[derive(Args)]
pub(super) struct Work {
    /// How many commands to time, at least.
    #[arg(long, default_value_t = 1_000_000)]
    pub(super) commands: usize,
    /// Aggregates that the commands are spread over.
    #[arg(long, default_value_t = 10_000)]
    pub(super) aggregates: usize,
}

/// How many commands are on their way at a time, and which aggregates they go to.
#[derive(Args)]
pub(super) struct Pressure {
    /// Commands in flight at a time.
    #[arg(long, default_value_t = NonZeroUsize::new(256).expect("not zero"))]
    pub(super) in_flight: NonZeroUsize,
    /// Which aggregates are asked how often.
    #[arg(long, value_enum, default_value_t = Spread::Uniform)]
    pub(super) spread: Spread,
}

/// How a host is set up that is opened for a bench.
#[derive(Args)]
pub(super) struct Setup {
    /// Threads that run guests [default: as `polder serve` has].
    #[arg(long, value_name = "N")]
    workers: Option<NonZeroUsize>,
    /// Keep the domain's projections running meanwhile. Off, they are not there, and the figure is the write path's alone.
    #[arg(long)]
    pub(super) projections: bool,
    /// Tenants that the aggregates are divided among, each with the domain.
    #[arg(long, value_name = "N", default_value_t = NonZeroUsize::MIN)]
    pub(super) tenants: NonZeroUsize,
}

impl Setup {
    pub(super) fn workers(&self) -> usize {
        self.workers.map_or_else(|| HostOptions::new("").workers, NonZeroUsize::get)
    }
}

/// A history that is there before the clock starts.
#[derive(Args)]
pub(super) struct History {
    /// Events that the history gets.
    #[arg(long, default_value_t = 1_000_000)]
    pub(super) events: usize,
    /// Aggregates that the commands are spread over.
    #[arg(long, default_value_t = 10_000)]
    pub(super) aggregates: usize,
}
