//! What becomes of a revision that was found bad.

use std::sync::mpsc::Receiver;
use std::sync::{Arc, Weak};

use super::Inner;
use crate::health::{Condemned, carry_out};

/// Takes revisions out of use as they are condemned, for as long as the host is there.
pub(super) fn start(inner: &Arc<Inner>, condemned: Receiver<Condemned>) -> std::io::Result<()> {
    let inner: Weak<Inner> = Arc::downgrade(inner);
    carry_out(condemned, move |condemned| match inner.upgrade() {
        Some(inner) => inner.go_back(condemned),
        None => Err("the host is shutting down".into()),
    })
}

impl Inner {
    /// On this thread: it is there for nothing else.
    fn go_back(self: &Arc<Self>, condemned: &Condemned) -> Result<(), String> {
        let Condemned { tenant, domain, active, cause, .. } = condemned;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let withdrawn = self.withdraw(Arc::clone(tenant), &domain.name, active.revision, cause.clone());
        let withdrawn = runtime.map_err(|error| error.to_string())?.block_on(withdrawn);
        withdrawn.map(drop).map_err(|error| error.to_string())
    }
}
