//! Options that several benchmarks share: where to work, how much, and how the work is spread.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use polder_engine::HostOptions;

use super::spread::Spread;

/// The folder to work in, and the component to run.
#[derive(Args)]
pub(super) struct Place {
    /// A folder on the disk to measure. A new folder is made in it, and removed at the end.
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

/// Number of commands and of aggregates.
#[derive(Args)]
pub(super) struct Work {
    /// Commands to time, at least.
    #[arg(long, default_value_t = 1_000_000)]
    pub(super) commands: usize,
    /// Number of aggregates that the commands go to.
    #[arg(long, default_value_t = 10_000)]
    pub(super) aggregates: usize,
}

/// Number of commands in flight, and the choice of their aggregates.
#[derive(Args)]
pub(super) struct Pressure {
    /// Commands in flight at a time.
    #[arg(long, default_value_t = NonZeroUsize::new(256).expect("not zero"))]
    pub(super) in_flight: NonZeroUsize,
    /// How the commands choose their aggregates.
    #[arg(long, value_enum, default_value_t = Spread::Uniform)]
    pub(super) spread: Spread,
}

/// Setup of a host for a benchmark.
#[derive(Args)]
pub(super) struct Setup {
    /// Threads that run guests [default: as many as `polder serve` has].
    #[arg(long, value_name = "N")]
    workers: Option<NonZeroUsize>,
    /// Run the domain's projections too. Without this option the figure is that of the write path alone.
    #[arg(long)]
    pub(super) projections: bool,
    /// Number of tenants that the aggregates are divided among, each with the domain.
    #[arg(long, value_name = "N", default_value_t = NonZeroUsize::MIN)]
    pub(super) tenants: NonZeroUsize,
}

impl Setup {
    pub(super) fn workers(&self) -> usize {
        self.workers.map_or_else(|| HostOptions::new("").workers, NonZeroUsize::get)
    }
}

/// A history that exists before the clock starts.
#[derive(Args)]
pub(super) struct History {
    /// Events of the history.
    #[arg(long, default_value_t = 1_000_000)]
    pub(super) events: usize,
    /// Number of aggregates that the commands go to.
    #[arg(long, default_value_t = 10_000)]
    pub(super) aggregates: usize,
}
