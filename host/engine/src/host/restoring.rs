//! Activates the revisions that are recorded as active. A domain whose component cannot be loaded is out of service;
//! the others are not affected. Where the reason may pass by itself, as when the servers that keep the component do not
//! answer, a thread tries again at intervals until the component is loaded.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use polder_core::{DomainName, TenantName};

use super::Inner;

/// Pause before the first further attempt. It doubles with each attempt.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest pause between two attempts.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// Interval at which the waiting thread checks whether the host stops.
const STOP_CHECK_INTERVAL: Duration = Duration::from_millis(200);

#[derive(Default)]
pub(super) struct Restoring {
    /// Held while recorded revisions are activated, so that an older revision never replaces a newer one.
    activating: Mutex<()>,
    /// Whether the thread that tries again runs.
    is_trying_again: AtomicBool,
}

impl Inner {
    /// Activates every revision that is recorded as active and is not active yet.
    pub(super) fn restore_all(self: &Arc<Self>) {
        {
            let _one_at_a_time = self.restoring.activating.lock().unwrap_or_else(PoisonError::into_inner);
            let active: Vec<_> = self.deployments.lock().unwrap_or_else(PoisonError::into_inner).active().collect();
            active.into_iter().for_each(|activation| self.restore(activation));
        }
        if !self.late().is_empty() {
            self.try_again();
        }
    }

    /// The domains that may come back into service by another attempt.
    fn late(&self) -> Vec<(TenantName, DomainName)> {
        let tenants = self.tenants.load();
        let of = |tenant: &Arc<crate::tenant::Tenant>| {
            let name = tenant.name.clone();
            let late = tenant.all_unloadable().into_iter().filter(|(_, unloadable)| unloadable.is_temporary);
            late.map(move |(domain, _)| (name.clone(), domain)).collect::<Vec<_>>()
        };
        tenants.values().flat_map(of).collect()
    }

    /// Starts the thread that tries again, unless it runs.
    fn try_again(self: &Arc<Self>) {
        if self.restoring.is_trying_again.swap(true, Ordering::SeqCst) {
            return;
        }
        let inner = Arc::downgrade(self);
        let thread = std::thread::Builder::new().name("polder-restore".into());
        if let Err(error) = thread.spawn(move || run(&inner)) {
            self.restoring.is_trying_again.store(false, Ordering::SeqCst);
            tracing::error!(%error, "no thread can be started to load components again; the next deployment tries again");
        }
    }

    fn restore_late(&self) {
        for (tenant, domain) in self.late() {
            if self.is_stopped.load(Ordering::SeqCst) {
                return;
            }
            // A deployment of the domain that is under way ends first; then the recorded revision is read.
            let _turn = self.turns.take_blocking(&tenant, &domain);
            let _one_at_a_time = self.restoring.activating.lock().unwrap_or_else(PoisonError::into_inner);
            let recorded = {
                let deployments = self.deployments.lock().unwrap_or_else(PoisonError::into_inner);
                deployments.active().find(|active| (&active.tenant, &active.domain) == (&tenant, &domain))
            };
            if let Some(activation) = recorded {
                self.restore(activation);
            }
        }
    }
}

/// Tries again until no domain is late, or the host stops.
fn run(inner: &Weak<Inner>) {
    let mut pause = PAUSE_MIN;
    while let Some(inner) = after(pause, inner) {
        inner.restore_late();
        pause = (pause * 2).min(PAUSE_MAX);
        if inner.late().is_empty() {
            inner.restoring.is_trying_again.store(false, Ordering::SeqCst);
            // A domain may have become late before this was noted.
            if inner.late().is_empty() || inner.restoring.is_trying_again.swap(true, Ordering::SeqCst) {
                return;
            }
        }
    }
}

/// Waits, and returns the host unless it stops.
fn after(pause: Duration, inner: &Weak<Inner>) -> Option<Arc<Inner>> {
    let until = Instant::now() + pause;
    loop {
        let host = inner.upgrade().filter(|inner| !inner.is_stopped.load(Ordering::SeqCst))?;
        if Instant::now() >= until {
            return Some(host);
        }
        drop(host);
        std::thread::sleep(STOP_CHECK_INTERVAL);
    }
}
