//! The options of every peer.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;

#[derive(Debug, Args)]
pub struct Options {
    /// A folder on the disk to measure; a new folder is made in it, and removed at the end.
    #[arg(long, value_name = "DIR", default_value_os_t = std::env::temp_dir())]
    pub dir: PathBuf,
    /// The duration of each run.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// The numbers of concurrent callers, with a run for each.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [1, 4, 16, 64, 256, 1_024])]
    pub in_flight: Vec<usize>,
    /// The number of orders.
    #[arg(long, default_value_t = 10_000)]
    pub aggregates: usize,
}

impl Options {
    pub fn run_time(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    pub fn folder(&self) -> anyhow::Result<tempfile::TempDir> {
        tempfile::Builder::new()
            .prefix("polder-peer-")
            .tempdir_in(&self.dir)
            .with_context(|| format!("cannot make a folder in {}", self.dir.display()))
    }
}
