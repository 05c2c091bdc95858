//! Child processes of measurements: hosts and NATS servers.

pub(crate) mod host_process;
pub(crate) mod killed_on_drop;
pub(crate) mod nats_cluster;
pub(crate) mod nats_server;
pub(crate) mod wait;
