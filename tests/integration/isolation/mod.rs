//! One tenant's guests do not affect other tenants: the write path's part.

mod audit;
mod circuit;
mod followers;
mod kills;
mod large_reads;
mod memory;
mod memory_budget;
mod open_views;
mod slow_lane;

use crate::engine::door::Door;

/// The value of the host's metric with this name and these labels.
pub(crate) fn metric(door: &Door, name: &str) -> u64 {
    let metrics = door.host.metrics();
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("there is no {name} in\n{metrics}")).parse().unwrap()
}
