//! What every request may reach.

use polder_access::Verifier;
use polder_engine::Host;
use tokio::sync::watch;

pub(crate) struct App {
    pub(crate) host: Host,
    pub(crate) verifier: Verifier,
    /// Turns true when the server stops: whoever streams without end ends then.
    pub(crate) closing: watch::Receiver<bool>,
}
