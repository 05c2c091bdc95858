//! Activates the revisions that are recorded as active. A domain whose component cannot be loaded is out of service;
//! the others are not affected. Where the reason may pass by itself, as when the servers that keep the component do not
//! answer, a thread tries again at intervals until the component is loaded.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, Instant};

use polder_core::{DomainName, TenantName};

use super::service::{DeploymentParts, DeploymentService};
use crate::tenancy::Tenant;

/// Pause before the first further attempt. It doubles with each attempt.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest pause between two attempts.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// Interval at which the waiting thread checks whether the host stops.
const STOP_CHECK_INTERVAL: Duration = Duration::from_millis(200);

impl DeploymentService {
    /// Activates every revision that is recorded as active and is not active yet.
    pub(crate) fn restore_all(&self) {
        {
            let _one_at_a_time = self.parts.restoring.activating.lock().unwrap_or_else(PoisonError::into_inner);
            let active: Vec<_> = self.with_registry(|registry| registry.active().collect());
            active.into_iter().for_each(|activation| self.restore(activation));
        }
        if !self.late().is_empty() {
            self.try_again();
        }
    }

    /// The domains that may come back into service by another attempt.
    fn late(&self) -> Vec<(TenantName, DomainName)> {
        let of = |tenant: &Arc<Tenant>| {
            let name = tenant.name.clone();
            let late = tenant.all_unloadable().into_iter().filter(|(_, unloadable)| unloadable.is_temporary);
            late.map(move |(domain, _)| (name.clone(), domain)).collect::<Vec<_>>()
        };
        self.parts.directory.all().iter().flat_map(of).collect()
    }

    /// Starts the thread that tries again, unless it runs.
    fn try_again(&self) {
        if self.parts.restoring.is_trying_again.swap(true, Ordering::SeqCst) {
            return;
        }
        let parts = Arc::downgrade(&self.parts);
        let thread = std::thread::Builder::new().name("polder-restore".into());
        if let Err(error) = thread.spawn(move || run(&parts)) {
            self.parts.restoring.is_trying_again.store(false, Ordering::SeqCst);
            tracing::error!(%error, "no thread can be started to load components again; the next deployment tries again");
        }
    }

    fn restore_late(&self) {
        for (tenant, domain) in self.late() {
            if self.parts.write_path.is_closed() {
                return;
            }
            // A deployment of the domain that is under way ends first; then the recorded revision is read.
            let _turn = self.parts.turns.take_blocking(&tenant, &domain);
            let _one_at_a_time = self.parts.restoring.activating.lock().unwrap_or_else(PoisonError::into_inner);
            let recorded = self.with_registry(|registry| {
                registry.active().find(|active| (&active.tenant, &active.domain) == (&tenant, &domain))
            });
            if let Some(activation) = recorded {
                self.restore(activation);
            }
        }
    }
}

/// Tries again until no domain is late, or the host stops.
fn run(parts: &Weak<DeploymentParts>) {
    let mut pause = PAUSE_MIN;
    while let Some(service) = after(pause, parts) {
        service.restore_late();
        pause = (pause * 2).min(PAUSE_MAX);
        if service.late().is_empty() {
            let is_trying_again = &service.parts.restoring.is_trying_again;
            is_trying_again.store(false, Ordering::SeqCst);
            // A domain may have become late before this was noted.
            if service.late().is_empty() || is_trying_again.swap(true, Ordering::SeqCst) {
                return;
            }
        }
    }
}

/// Waits, and returns the deployments unless the host stops.
fn after(pause: Duration, parts: &Weak<DeploymentParts>) -> Option<DeploymentService> {
    let until = Instant::now() + pause;
    loop {
        let parts = parts.upgrade().filter(|parts| !parts.write_path.is_closed())?;
        if Instant::now() >= until {
            return Some(DeploymentService { parts });
        }
        drop(parts);
        std::thread::sleep(STOP_CHECK_INTERVAL);
    }
}
