//! The HTTP interface: one file or folder for each resource, the table of routes, and the fast path of commands.

pub(crate) mod access_keys;
mod batch;
mod commands;
mod deployment_progress;
mod deployments;
mod drain;
mod effects;
mod events;
pub(crate) mod fast_path;
mod forward;
mod history;
pub(crate) mod metrics;
mod parked;
mod probes;
pub(crate) mod routes;
mod state;
mod tenants;
mod translation;
mod views;
