//! The engine in this process: command pipeline, projections and time travel, also when guests or disks fail.

mod away_store;
mod clock;
mod concurrency;
mod deployments;
mod disk;
pub(crate) mod door;
mod hostile;
mod kills;
mod laws;
mod new_versions;
mod pages;
mod repeats;
mod restored;
mod short_disk;
mod snapshots;
mod switches;
mod takeovers;
mod tenant_keys;
mod time_travel;
