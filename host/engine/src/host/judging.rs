//! What becomes of a revision that was found bad.

use std::sync::mpsc::Receiver;
use std::sync::{Arc, Weak};

use super::Inner;
use crate::health::{Condemned, carry_out};

/// Takes revisions out of use as they are condemned, for as long as the host is there.
pub(super) fn start(inner: &Arc<Inner>, condemned: Receiver<Condemned>) -> std::io::Result<()> {
    let inner: Weak<Inner> = Arc::downgrade(inner);
    carry_out(condemned, move |condemned| match inner.upgrade() {
        Some(inner) => inner.withdraw(condemned),
        None => Err("the host is shutting down".into()),
    })
}

impl Inner {
    fn withdraw(&self, _condemned: &Condemned) -> Result<(), String> {
        Err("there is no revision to go back to".into())
    }
}
