//! A tenant as the host serves it: its limits, its domains, its commands in flight, and the end of its history.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};

use arc_swap::{ArcSwap, ArcSwapOption, Guard};
use polder_core::{DomainName, Limits, Position, Revision, TenantName};
use polder_journal::Reader;
use polder_sandbox::Interrupt;
use tokio::sync::watch;

use super::domain::Domain;
use super::note_log::NoteLog;
use super::publication::Bridge;
use super::rate::Rate;
use super::submit_error::SubmitError;

/// How long a caller should wait when its tenant has too many commands in flight, in milliseconds.
const IN_FLIGHT_RETRY_MS: u64 = 1_000;

pub(crate) struct Tenant {
    pub(crate) name: TenantName,
    /// Read by every command; replaced as a whole.
    terms: ArcSwap<Terms>,
    /// The newest durable position.
    pub(crate) positions: watch::Sender<Position>,
    /// Size of its records in the journal, in bytes.
    record_bytes: AtomicU64,
    /// Size of its read models in bytes, as of their last write.
    view_bytes: AtomicU64,
    in_flight: AtomicU64,
    /// Set while the tenant is being removed: it takes no more commands.
    is_closing: AtomicBool,
    /// Set together with `is_closing`: ends the tenant's guest calls.
    ended: Interrupt,
    /// Notified when the last command of a closing tenant has ended.
    quiet: (Mutex<()>, Condvar),
    /// CPU time of its commands, in nanoseconds.
    cpu_ns: AtomicU64,
    rate: Rate,
    /// The log of its guests' notes.
    pub(crate) notes: Arc<NoteLog>,
    domains: RwLock<BTreeMap<DomainName, Arc<Domain>>>,
    /// Domains whose active revision cannot be loaded here.
    unloadable: RwLock<BTreeMap<DomainName, Unloadable>>,
    /// Why the tenant's records can be neither read nor written, or `None` if they can.
    unavailable: ArcSwapOption<String>,
    /// The rules by which its events are published to other contexts.
    pub(crate) bridge: watch::Sender<Bridge>,
}

/// The reason why a domain is out of service.
#[derive(Debug, Clone)]
pub(crate) struct Unloadable {
    pub(crate) revision: Revision,
    pub(crate) reason: String,
    /// Whether the host tries again by itself.
    pub(crate) is_temporary: bool,
}

/// The limits of a tenant, and whether it is suspended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) limits: Limits,
    pub(crate) is_suspended: bool,
}

impl Tenant {
    pub(crate) fn new(name: TenantName, terms: Terms, reader: &Reader) -> Arc<Self> {
        let tenant = Self {
            terms: ArcSwap::from_pointee(terms),
            positions: watch::Sender::new(reader.last_position(&name)),
            record_bytes: AtomicU64::new(reader.record_bytes(&name)),
            view_bytes: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            is_closing: AtomicBool::new(false),
            ended: Interrupt::default(),
            quiet: Default::default(),
            cpu_ns: AtomicU64::new(0),
            rate: Rate::new(),
            notes: Arc::new(NoteLog::new(name.clone())),
            domains: RwLock::default(),
            unloadable: RwLock::default(),
            unavailable: ArcSwapOption::empty(),
            bridge: watch::Sender::new(Bridge::default()),
            name,
        };
        Arc::new(tenant)
    }

    /// The current terms. Drop the guard soon.
    pub(crate) fn terms(&self) -> Guard<Arc<Terms>> {
        self.terms.load()
    }

    pub(crate) fn limits(&self) -> Limits {
        self.terms.load().limits
    }

    pub(crate) fn set_terms(&self, terms: Terms) {
        self.terms.store(Arc::new(terms));
    }

    pub(crate) fn domain(&self, name: &DomainName) -> Option<Arc<Domain>> {
        self.domains.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    pub(crate) fn domains(&self) -> Vec<Arc<Domain>> {
        self.domains.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    pub(crate) fn domain_names(&self) -> Vec<DomainName> {
        self.domains.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// Sets why the tenant is out of service; `None` means that it is in service.
    pub(crate) fn set_unavailable(&self, problem: Option<String>) {
        self.unavailable.store(problem.map(Arc::new));
    }

    /// Why the tenant's records can be neither read nor written, as a text for the operator.
    pub(crate) fn unavailable(&self) -> Option<Arc<String>> {
        self.unavailable.load_full()
    }

    pub(crate) fn set_unloadable(&self, domain: &DomainName, unloadable: Unloadable) {
        self.unloadable.write().unwrap_or_else(PoisonError::into_inner).insert(domain.clone(), unloadable);
    }

    pub(crate) fn is_loaded(&self, domain: &DomainName) {
        self.unloadable.write().unwrap_or_else(PoisonError::into_inner).remove(domain);
    }

    pub(crate) fn unloadable(&self, domain: &DomainName) -> Option<Unloadable> {
        self.unloadable.read().unwrap_or_else(PoisonError::into_inner).get(domain).cloned()
    }

    pub(crate) fn all_unloadable(&self) -> BTreeMap<DomainName, Unloadable> {
        self.unloadable.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn insert(&self, domain: Arc<Domain>) {
        self.domains.write().unwrap_or_else(PoisonError::into_inner).insert(domain.name.clone(), domain);
    }

    /// Reports the newest durable position. Workers may call this in any order; the position never decreases.
    pub(crate) fn reached(&self, position: Position) {
        self.positions.send_if_modified(|last| {
            let is_further = *last < position;
            *last = position.max(*last);
            is_further
        });
    }

    /// Adds CPU time of its commands, in nanoseconds.
    pub(crate) fn used(&self, cpu_ns: u64) {
        self.cpu_ns.fetch_add(cpu_ns, Ordering::Relaxed);
    }

    pub(crate) fn cpu_ns(&self) -> u64 {
        self.cpu_ns.load(Ordering::Relaxed)
    }

    /// Reports the size of its records in bytes. Workers may call this in any order; the size never decreases.
    pub(crate) fn takes(&self, record_bytes: u64) {
        self.record_bytes.fetch_max(record_bytes, Ordering::Relaxed);
    }

    /// Reports the size of its read models in bytes.
    pub(crate) fn views_take(&self, view_bytes: u64) {
        self.view_bytes.store(view_bytes, Ordering::Relaxed);
    }

    pub(crate) fn view_bytes(&self) -> u64 {
        self.view_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn record_bytes(&self) -> u64 {
        self.record_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Takes a place among the commands in flight, if the terms allow one more command.
    pub(crate) fn admit(self: &Arc<Self>, terms: &Terms) -> Result<Admission, SubmitError> {
        let limits = &terms.limits;
        if terms.is_suspended {
            return Err(SubmitError::TenantSuspended(self.name.clone()));
        }
        let bytes = self.record_bytes().saturating_add(self.view_bytes());
        if bytes >= limits.storage_bytes_max {
            let (tenant, storage_bytes_max) = (self.name.clone(), limits.storage_bytes_max);
            return Err(SubmitError::StorageFull { tenant, bytes, storage_bytes_max });
        }
        self.take_place(limits)
    }

    /// Like [`admit`](Self::admit), for operations that record nothing.
    pub(crate) fn take_place(self: &Arc<Self>, limits: &Limits) -> Result<Admission, SubmitError> {
        let before = self.in_flight.fetch_add(1, Ordering::SeqCst);
        // Created before the checks, so that a refusal gives the place back when it is dropped.
        let admission = Admission(Arc::clone(self));
        // The count comes first: either `close` sees this command, or this command sees that the tenant is closing.
        if self.is_closing.load(Ordering::SeqCst) {
            return Err(SubmitError::UnknownTenant(self.name.clone()));
        }
        if before >= limits.commands_in_flight_max {
            return Err(self.busy("commands_in_flight_max", limits.commands_in_flight_max, IN_FLIGHT_RETRY_MS));
        }
        let per_second_max = limits.commands_per_second_max;
        match self.rate.take(per_second_max) {
            Ok(()) => Ok(admission),
            Err(wait_ms) => Err(self.busy("commands_per_second_max", per_second_max, wait_ms)),
        }
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::SeqCst)
    }

    /// Ends the tenant's guest calls while the tenant is being removed.
    pub(crate) fn ended(&self) -> &Interrupt {
        &self.ended
    }

    /// Takes no more commands, ends the guest calls under way, and waits until no command is in flight. Queued commands
    /// are refused.
    pub(crate) fn close(&self) {
        self.is_closing.store(true, Ordering::SeqCst);
        self.ended.set();
        let (lock, quiet) = &self.quiet;
        let guard = lock.lock().unwrap_or_else(PoisonError::into_inner);
        let in_flight = |_: &mut ()| self.in_flight.load(Ordering::SeqCst) > 0;
        drop(quiet.wait_while(guard, in_flight).unwrap_or_else(PoisonError::into_inner));
    }

    fn busy(&self, limit: &'static str, value: u64, retry_after_ms: u64) -> SubmitError {
        SubmitError::Busy { tenant: self.name.clone(), limit, value, retry_after_ms }
    }
}

/// A command's place among those in flight. Dropping it gives the place back.
pub(crate) struct Admission(Arc<Tenant>);

impl Admission {
    pub(crate) fn tenant(&self) -> &Arc<Tenant> {
        &self.0
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let before = self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
        if before == 1 && self.0.is_closing() {
            let (lock, quiet) = &self.0.quiet;
            drop(lock.lock().unwrap_or_else(PoisonError::into_inner));
            quiet.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polder_journal::{Journal, OpenOptions};

    fn tenant() -> Arc<Tenant> {
        let folder = tempfile::tempdir().unwrap();
        let (_writer, reader, _) = Journal::open(folder.path(), OpenOptions::default()).unwrap();
        Tenant::new(TenantName::new("main").unwrap(), terms(Limits::DEFAULT), &reader)
    }

    fn terms(limits: Limits) -> Terms {
        Terms { limits, is_suspended: false }
    }

    fn refusal(admitted: Result<Admission, SubmitError>) -> String {
        admitted.err().expect("refused").to_string()
    }

    #[test]
    fn places_are_given_back() {
        let (tenant, terms) = (tenant(), terms(Limits { commands_in_flight_max: 2, ..Limits::DEFAULT }));
        let first = tenant.admit(&terms).unwrap();
        let _second = tenant.admit(&terms).unwrap();
        assert!(refusal(tenant.admit(&terms)).contains("limit commands_in_flight_max, 2"));
        assert!(tenant.admit(&terms).is_err(), "a refused command takes no place");
        drop(first);
        assert!(tenant.admit(&terms).is_ok());
    }

    #[test]
    fn closing_waits_for_commands_in_flight() {
        let (tenant, terms) = (tenant(), terms(Limits::DEFAULT));
        let admission = tenant.admit(&terms).unwrap();
        std::thread::scope(|scope| {
            let closing = scope.spawn(|| tenant.close());
            while !tenant.is_closing() {
                std::thread::yield_now();
            }
            assert!(refusal(tenant.admit(&terms)).contains("there is no tenant"));
            assert!(!closing.is_finished(), "a command is in flight");
            drop(admission);
            closing.join().unwrap();
        });
        assert_eq!(tenant.in_flight(), 0);
    }

    #[test]
    fn a_refused_command_takes_no_place() {
        let tenant = tenant();
        let slow = terms(Limits { commands_per_second_max: 1, ..Limits::DEFAULT });
        drop(tenant.admit(&slow).unwrap());
        assert!(refusal(tenant.admit(&slow)).contains("commands_per_second_max, 1"));
        assert!(refusal(tenant.admit(&Terms { is_suspended: true, ..slow })).contains("suspended"));
        tenant.takes(1_024);
        let full = terms(Limits { storage_bytes_max: 1_024, ..Limits::DEFAULT });
        assert!(refusal(tenant.admit(&full)).contains("storage_bytes_max is 1024"));
        assert_eq!(tenant.in_flight(), 0);
    }
}
