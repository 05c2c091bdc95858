//! Removes snapshots that no revision can use any more.

use std::sync::Arc;

use super::service::DeploymentService;

impl DeploymentService {
    /// Removes snapshots of revisions that cannot come back. A snapshot belongs to one revision and is useless to
    /// others. Runs on a thread of its own, because there may be many.
    pub(crate) fn forget_snapshots(&self) {
        let parts = Arc::downgrade(&self.parts);
        let forgetting = move || {
            let Some(parts) = parts.upgrade() else { return };
            let service = Self { parts };
            let present = service.parts.directory.names();
            let kept = service.with_registry(|registry| registry.returning(|tenant| present.contains(tenant)));
            match service.parts.reader.keep_snapshots_of(&kept) {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "snapshots of revisions that cannot come back are removed"),
                Err(error) => {
                    tracing::warn!(%error, "snapshots of revisions that cannot come back could not be removed; the host will try again")
                }
            }
        };
        if let Err(error) = std::thread::Builder::new().name("snapshots".to_owned()).spawn(forgetting) {
            tracing::warn!(%error, "snapshots of revisions that cannot come back are not removed now");
        }
    }
}
