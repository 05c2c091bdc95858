//! Options that several benchmarks share: where to work, how much, and how the work is spread.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use polder_engine::{CompilerInProcess, Compilers, HostOptions};

use crate::components;
use crate::load::spread::Spread;

/// The folder to work in, and the component to run.
#[derive(Args)]
pub(crate) struct Inputs {
    /// A folder on the disk to measure. A new folder is made in it, and removed at the end.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) dir: PathBuf,
    /// The `orders` component [default: the one that `cargo xtask guests` builds beside this program].
    #[arg(long, value_name = "FILE")]
    pub(crate) component: Option<PathBuf>,
}

impl Inputs {
    pub(crate) fn folder(&self) -> anyhow::Result<tempfile::TempDir> {
        tempfile::Builder::new()
            .prefix("polder-bench-")
            .tempdir_in(&self.dir)
            .with_context(|| format!("cannot make a folder in {}", self.dir.display()))
    }

    pub(crate) fn component(&self) -> anyhow::Result<Vec<u8>> {
        components::orders(self.component.as_deref())
    }
}

/// Number of commands and of aggregates.
#[derive(Args)]
pub(crate) struct LoadSize {
    /// Commands to time, at least.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) commands: usize,
    /// Number of aggregates that the commands go to.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) aggregates: usize,
}

/// Number of commands in flight, and the choice of their aggregates.
#[derive(Args)]
pub(crate) struct LoadShape {
    /// Commands in flight at a time.
    #[arg(long, default_value_t = NonZeroUsize::new(256).expect("not zero"))]
    pub(crate) in_flight: NonZeroUsize,
    /// How the commands choose their aggregates.
    #[arg(long, value_enum, default_value_t = Spread::Uniform)]
    pub(crate) spread: Spread,
}

/// Setup of a host for a benchmark.
#[derive(Args)]
pub(crate) struct Setup {
    /// Threads that run guests [default: as many as `polder serve` has].
    #[arg(long, value_name = "N")]
    workers: Option<NonZeroUsize>,
    /// Run the domain's projections too. Without this option the figure is that of the write path alone.
    #[arg(long)]
    pub(crate) projections: bool,
    /// Number of tenants that the aggregates are divided among, each with the domain.
    #[arg(long, value_name = "N", default_value_t = NonZeroUsize::MIN)]
    pub(crate) tenants: NonZeroUsize,
}

impl Setup {
    pub(crate) fn workers(&self) -> usize {
        self.workers.map_or_else(|| host_options("").workers, NonZeroUsize::get)
    }
}

/// Options of a measured host. It compiles in this process, because the components are the repository's own.
pub(crate) fn host_options(data_dir: impl Into<PathBuf>) -> HostOptions {
    HostOptions::new(data_dir, Compilers::new(CompilerInProcess))
}

/// A history that exists before the clock starts.
#[derive(Args)]
pub(crate) struct History {
    /// Events of the history.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) events: usize,
    /// Number of aggregates that the commands go to.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) aggregates: usize,
}
