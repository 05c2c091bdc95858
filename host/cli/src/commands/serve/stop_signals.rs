//! The signals that stop a host: SIGINT and SIGTERM.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::end::End;

pub(super) struct StopSignals {
    has_come: watch::Receiver<bool>,
}

impl StopSignals {
    /// From now on, these signals no longer end the process: the first one starts the clock of the end, whatever the
    /// host does at that time.
    pub(super) fn listen(end: &End) -> std::io::Result<Self> {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let (come, has_come) = watch::channel(false);
        let end = end.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            end.begin();
            come.send_replace(true);
        });
        Ok(Self { has_come })
    }

    /// Returns once one of the signals has been received.
    pub(super) async fn received(&self) {
        // The task that listens ends only with the runtime, or after it has received a signal.
        drop(self.has_come.clone().wait_for(|has_come| *has_come).await);
    }
}
