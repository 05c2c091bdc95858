//! What every request may reach.

use std::sync::{Arc, OnceLock};

use polder_access::Verifier;
use polder_engine::Host;
use tokio::sync::watch;

use crate::cluster::Cluster;
use crate::nats;

pub(crate) struct App {
    pub(crate) host: Host,
    pub(crate) verifier: Arc<Verifier>,
    /// Turns true when the server stops: whoever streams without end ends then.
    pub(crate) closing: watch::Receiver<bool>,
    /// What the NATS face counts, where there is one.
    pub(crate) nats: OnceLock<Arc<nats::Counts>>,
    /// Where other hosts have the journal in common with this one.
    pub(crate) cluster: Option<Cluster>,
}
