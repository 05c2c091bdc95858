//! Limits compilation: a few compilers in total, at most one for each tenant, and a bounded number of callers that wait
//! for a bounded time. Callers block.

use std::collections::HashSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use polder_core::TenantName;

use super::compile_error::CompileError;
use super::stop::Stop;

/// Compilers that may run at a time on a machine with more than two processors; on others one.
pub const COMPILERS_MAX: usize = 2;
/// Components that may wait for a compiler. The next one is refused.
pub const COMPILES_WAITING_MAX: usize = 16;
/// Wall-clock time that a component may wait for a compiler, in milliseconds. After that it is refused.
pub const COMPILE_WAIT_MS_MAX: u64 = 60_000;
/// Interval at which a waiting caller checks whether it was stopped.
const CHECK_EVERY: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(crate) struct CompileSeats {
    seats_max: usize,
    wait_max: Duration,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Callers in the order of their arrival.
    waiting: Vec<Waiting>,
    seated: usize,
    /// Tenants that have a seat. The host's own work is not among them.
    tenants: HashSet<TenantName>,
    next_ticket: u64,
}

#[derive(Debug)]
struct Waiting {
    ticket: u64,
    tenant: Option<TenantName>,
}

/// The permission to run one compiler, until it is dropped.
#[derive(Debug)]
pub(crate) struct Seat<'a> {
    seats: &'a CompileSeats,
    tenant: Option<TenantName>,
}

impl CompileSeats {
    pub(crate) fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let seats_max = if processors > 2 { COMPILERS_MAX } else { 1 };
        Self::with(seats_max, Duration::from_millis(COMPILE_WAIT_MS_MAX))
    }

    fn with(seats_max: usize, wait_max: Duration) -> Self {
        Self { seats_max, wait_max, state: Mutex::default(), freed: Condvar::new() }
    }

    /// Waits for a seat. `None` stands for the host itself, which compiles components that are deployed already; it
    /// waits without a bound.
    ///
    /// # Errors
    /// Fails when too many callers wait, or when this one has waited too long or was stopped.
    pub(crate) fn take(&self, tenant: Option<&TenantName>, stop: &Stop) -> Result<Seat<'_>, CompileError> {
        let start = Instant::now();
        let mut state = self.lock();
        if tenant.is_some() && state.waiting.len() >= COMPILES_WAITING_MAX {
            let (limit, value) = ("compiles_waiting_max", COMPILES_WAITING_MAX as u64);
            return Err(CompileError::Busy { what: "too many components wait", limit, value });
        }
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        state.waiting.push(Waiting { ticket, tenant: tenant.cloned() });
        loop {
            if state.is_next(ticket, self.seats_max) {
                state.waiting.retain(|waiting| waiting.ticket != ticket);
                state.seated += 1;
                state.tenants.extend(tenant.cloned());
                // If a second seat is free, the next caller in the queue may take it.
                self.freed.notify_all();
                return Ok(Seat { seats: self, tenant: tenant.cloned() });
            }
            let refused = self.end_of_wait(tenant, start, stop);
            if let Some(error) = refused {
                state.waiting.retain(|waiting| waiting.ticket != ticket);
                self.freed.notify_all();
                return Err(error);
            }
            state = self.freed.wait_timeout(state, CHECK_EVERY).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The reason why a caller stops waiting, or `None` if it continues.
    fn end_of_wait(&self, tenant: Option<&TenantName>, start: Instant, stop: &Stop) -> Option<CompileError> {
        if stop.is_set() {
            return Some(CompileError::Stopped);
        }
        let has_waited = tenant.is_some() && start.elapsed() >= self.wait_max;
        let value = u64::try_from(self.wait_max.as_millis()).unwrap_or(u64::MAX);
        let (what, limit) = ("no compiler became free", "compile_wait_ms_max");
        has_waited.then_some(CompileError::Busy { what, limit, value })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether the caller gets the free seat. It goes to the first caller whose tenant has none, so a tenant with many
    /// components delays no other tenant.
    fn is_next(&self, ticket: u64, seats_max: usize) -> bool {
        let may_sit = |waiting: &&Waiting| waiting.tenant.as_ref().is_none_or(|tenant| !self.tenants.contains(tenant));
        self.seated < seats_max && self.waiting.iter().find(may_sit).is_some_and(|next| next.ticket == ticket)
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut state = self.seats.lock();
        state.seated -= 1;
        if let Some(tenant) = &self.tenant {
            state.tenants.remove(tenant);
        }
        self.seats.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn tenant(name: &str) -> TenantName {
        name.parse().unwrap()
    }

    fn limit_of(error: CompileError) -> &'static str {
        match error {
            CompileError::Busy { limit, .. } => limit,
            other => panic!("{other}"),
        }
    }

    fn wait_until(seats: &CompileSeats, waiting: usize) {
        while seats.lock().waiting.len() != waiting {
            thread::yield_now();
        }
    }

    #[test]
    fn a_tenant_has_one_seat_and_delays_no_other() {
        let seats = CompileSeats::with(2, LONG);
        let (a, b) = (tenant("a"), tenant("b"));
        let first = seats.take(Some(&a), &Stop::default()).unwrap();
        thread::scope(|scope| {
            let second = scope.spawn(|| drop(seats.take(Some(&a), &Stop::default()).unwrap()));
            wait_until(&seats, 1);
            // The tenant's second component is ahead in the queue, but the free seat goes to the other tenant.
            drop(seats.take(Some(&b), &Stop::default()).unwrap());
            assert!(!second.is_finished());
            drop(first);
            second.join().unwrap();
        });
    }

    #[test]
    fn too_many_waiting_components_are_refused_and_a_stopped_one_leaves_the_queue() {
        let seats = CompileSeats::with(1, LONG);
        let held = seats.take(None, &Stop::default()).unwrap();
        let stop = Stop::default();
        thread::scope(|scope| {
            let waiting: Vec<_> = (0..COMPILES_WAITING_MAX)
                .map(|number| {
                    let (seats, stop) = (&seats, &stop);
                    scope.spawn(move || seats.take(Some(&tenant(&format!("t{number}"))), stop).map(drop))
                })
                .collect();
            wait_until(&seats, COMPILES_WAITING_MAX);
            let refused = seats.take(Some(&tenant("late")), &Stop::default()).unwrap_err();
            assert_eq!(limit_of(refused), "compiles_waiting_max");
            stop.set();
            for waiting in waiting {
                assert!(matches!(waiting.join().unwrap(), Err(CompileError::Stopped)));
            }
        });
        drop(held);
        assert!(seats.take(Some(&tenant("late")), &Stop::default()).is_ok());
    }

    #[test]
    fn a_component_waits_for_a_bounded_time() {
        let seats = CompileSeats::with(1, Duration::from_millis(30));
        let _held = seats.take(None, &Stop::default()).unwrap();
        let refused = seats.take(Some(&tenant("a")), &Stop::default()).unwrap_err();
        assert_eq!(limit_of(refused), "compile_wait_ms_max");
        assert!(seats.lock().waiting.is_empty());
    }

    #[test]
    fn a_host_that_stops_ends_the_wait() {
        let seats = CompileSeats::with(1, LONG);
        let _held = seats.take(None, &Stop::default()).unwrap();
        let host = std::sync::Arc::default();
        let stop = Stop::within(&host);
        thread::scope(|scope| {
            let waiting = scope.spawn(|| seats.take(Some(&tenant("a")), &stop).map(drop));
            wait_until(&seats, 1);
            host.store(true, std::sync::atomic::Ordering::Relaxed);
            assert!(matches!(waiting.join().unwrap(), Err(CompileError::Stopped)));
        });
    }
}
