//! The HTTP interface: one file or folder for each resource, the table of routes, and the fast path of commands.

pub(crate) mod access_keys;
pub(crate) mod batch;
pub(crate) mod commands;
pub(crate) mod deployment_progress;
pub(crate) mod deployments;
pub(crate) mod effects;
pub(crate) mod events;
pub(crate) mod fast_path;
pub(crate) mod history;
pub(crate) mod metrics;
pub(crate) mod parked;
pub(crate) mod probes;
pub(crate) mod routes;
pub(crate) mod state;
pub(crate) mod tenants;
pub(crate) mod translation;
pub(crate) mod views;
