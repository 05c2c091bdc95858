//! The one place that admits reads. It bounds how many reads are under way, per tenant and in total, and how long a
//! read waits for its first turn. It runs them on the threads of [`Lanes`], and ends a read when its caller goes away.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use foldhash::HashMap;
use polder_core::{MemoryBudget, TenantName};
use tokio::sync::oneshot;

use super::lanes::{Lanes, Run, Task};
use super::read_error::ReadError;
use super::time_slice::{Lane, ReadStop, ReadTurn};

/// Reads of one tenant that may run or wait at a time, without the further pages of streams. More are refused.
pub(crate) const READS_PER_TENANT_MAX: usize = 1_024;
/// Reads of all tenants that may run or wait at a time, without the further pages of streams. More are refused.
pub(crate) const READS_MAX: usize = 8_192;
/// How long a read waits for its first turn, in milliseconds. After that it is refused.
pub(crate) const READ_WAIT_MS_MAX: u64 = 10_000;

/// How a read behaves under load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// It is refused when there are too many reads, or when it has waited too long.
    Bounded,
    /// A further page of a stream that was admitted. It is not refused, and waits as long as necessary. There are never
    /// more of these reads than streams.
    Stream,
}

pub(crate) struct ReadAdmission {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    wait_max: Duration,
}

struct Shared {
    lanes: Arc<Lanes>,
    admitted: Mutex<Admitted>,
    refused: AtomicU64,
}

/// The number of reads that run or wait.
#[derive(Default)]
struct Admitted {
    count: usize,
    by_tenant: HashMap<TenantName, usize>,
}

impl ReadAdmission {
    pub(crate) fn start(memory: MemoryBudget) -> std::io::Result<Self> {
        let lanes = Arc::new(Lanes::new(memory));
        let threads = lanes.start()?;
        Ok(Self::with(lanes, threads, Duration::from_millis(READ_WAIT_MS_MAX)))
    }

    fn with(lanes: Arc<Lanes>, threads: Vec<JoinHandle<()>>, wait_max: Duration) -> Self {
        let shared = Shared { lanes, admitted: Mutex::default(), refused: AtomicU64::new(0) };
        Self { shared: Arc::new(shared), threads: Mutex::new(threads), wait_max }
    }

    /// Runs `work` on a read thread, turn by turn, until it has an answer. A turn that ends with [`ReadStop::NextTurn`]
    /// is followed by one on the slow lane. The closure keeps its progress between turns.
    ///
    /// # Errors
    /// Returns the error of the work, or a refusal when the tenant or the host has too many reads, or this one waited
    /// too long.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        tenant: &TenantName,
        patience: Patience,
        work: impl FnMut(&ReadTurn<'_>) -> Result<T, ReadStop> + Send + 'static,
    ) -> Result<T, ReadError> {
        self.run_on(Lane::Fast, tenant, patience, work).await
    }

    /// Like [`run`](Self::run), but starts on the slow lane, for work that is known to take long.
    pub(crate) async fn run_slowly<T: Send + 'static>(
        &self,
        tenant: &TenantName,
        patience: Patience,
        work: impl FnMut(&ReadTurn<'_>) -> Result<T, ReadStop> + Send + 'static,
    ) -> Result<T, ReadError> {
        self.run_on(Lane::Slow, tenant, patience, work).await
    }

    async fn run_on<T: Send + 'static>(
        &self,
        lane: Lane,
        tenant: &TenantName,
        patience: Patience,
        work: impl FnMut(&ReadTurn<'_>) -> Result<T, ReadStop> + Send + 'static,
    ) -> Result<T, ReadError> {
        let place = self.admit(tenant, patience)?;
        let (reply, mut answer) = oneshot::channel();
        self.shared.lanes.push(lane, place.task(run(reply, work)));
        let answered = match patience {
            Patience::Stream => answer.await,
            Patience::Bounded => match tokio::time::timeout(self.wait_max, &mut answer).await {
                Ok(answered) => answered,
                Err(_) if place.has_begun.load(Ordering::Relaxed) => answer.await,
                Err(_) => return Err(self.refuse(tenant, "read_wait_ms_max", READ_WAIT_MS_MAX)),
            },
        };
        answered.unwrap_or_else(|_| Err(self.without_answer()))
    }

    fn admit(&self, tenant: &TenantName, patience: Patience) -> Result<Place, ReadError> {
        let is_counted = patience == Patience::Bounded;
        if is_counted {
            let mut admitted = self.shared.admitted();
            let own = admitted.by_tenant.get(tenant).copied().unwrap_or_default();
            if own >= READS_PER_TENANT_MAX {
                return Err(self.refuse(tenant, "reads_per_tenant_max", READS_PER_TENANT_MAX as u64));
            }
            if admitted.count >= READS_MAX {
                self.shared.refused.fetch_add(1, Ordering::Relaxed);
                return Err(ReadError::HostBusy { limit: "reads_max", value: READS_MAX as u64 });
            }
            admitted.count += 1;
            *admitted.by_tenant.entry(tenant.clone()).or_default() += 1;
        }
        let (is_gone, has_begun) = Default::default();
        Ok(Place { shared: Arc::clone(&self.shared), tenant: tenant.clone(), is_counted, is_gone, has_begun })
    }

    fn refuse(&self, tenant: &TenantName, limit: &'static str, value: u64) -> ReadError {
        self.shared.refused.fetch_add(1, Ordering::Relaxed);
        ReadError::Busy { tenant: tenant.clone(), limit, value }
    }

    /// The error of a read whose work was dropped, either because the host stops or because of a panic, which is in the
    /// log.
    fn without_answer(&self) -> ReadError {
        if self.shared.lanes.is_stopping() {
            return ReadError::ShuttingDown;
        }
        ReadError::Storage("the read ended without an answer; see the log".into())
    }

    /// Refuses the waiting reads, and asks the running ones to end.
    pub(crate) fn begin_stop(&self) {
        self.shared.lanes.stop();
    }

    /// Does what [`begin_stop`](Self::begin_stop) does, and blocks until the threads have ended.
    pub(crate) fn stop(&self) {
        self.begin_stop();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a read thread had panicked");
            }
        }
    }

    /// Returns the number of reads that run or wait, and the totals of reads moved to the slow lane and of refused
    /// reads.
    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        let shared = &self.shared;
        let (slow, refused) = (shared.lanes.slow_count.load(Ordering::Relaxed), shared.refused.load(Ordering::Relaxed));
        (shared.admitted().count as u64, slow, refused)
    }
}

/// Ends the threads if `stop` was not called.
impl Drop for ReadAdmission {
    fn drop(&mut self) {
        self.shared.lanes.stop();
    }
}

impl Shared {
    fn admitted(&self) -> MutexGuard<'_, Admitted> {
        self.admitted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A read's place among the reads under way. Dropping it ends the read, whether or not it was answered.
struct Place {
    shared: Arc<Shared>,
    tenant: TenantName,
    is_counted: bool,
    is_gone: Arc<AtomicBool>,
    has_begun: Arc<AtomicBool>,
}

impl Place {
    fn task(&self, run: Run) -> Task {
        let (tenant, is_gone, has_begun) =
            (self.tenant.clone(), Arc::clone(&self.is_gone), Arc::clone(&self.has_begun));
        Task { tenant, is_gone, has_begun, used_ns: 0, run }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.is_gone.store(true, Ordering::Relaxed);
        self.shared.lanes.forget(&self.tenant, &self.is_gone);
        if !self.is_counted {
            return;
        }
        let mut admitted = self.shared.admitted();
        admitted.count -= 1;
        if let Some(own) = admitted.by_tenant.get_mut(&self.tenant) {
            *own -= 1;
            if *own == 0 {
                admitted.by_tenant.remove(&self.tenant);
            }
        }
    }
}

fn run<T: Send + 'static>(
    reply: oneshot::Sender<Result<T, ReadError>>,
    mut work: impl FnMut(&ReadTurn<'_>) -> Result<T, ReadStop> + Send + 'static,
) -> Run {
    let mut reply = Some(reply);
    Box::new(move |turn| {
        let answer = match turn.check().and_then(|()| work(turn)) {
            Ok(answer) => Ok(answer),
            Err(ReadStop::NextTurn) => return false,
            // A call that was ended because its caller is gone looks like one that took too long.
            Err(_) if turn.is_gone() => return true,
            Err(ReadStop::Gone) => return true,
            Err(ReadStop::Refused(error)) => Err(error),
        };
        if let Some(reply) = reply.take() {
            // The caller may be gone. Then the answer is dropped.
            drop(reply.send(answer));
        }
        true
    })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn tenant(name: &str) -> TenantName {
        TenantName::new(name).unwrap()
    }

    fn admission() -> Arc<ReadAdmission> {
        Arc::new(ReadAdmission::start(MemoryBudget::unlimited()).unwrap())
    }

    /// Work that uses up slices until its client goes away.
    fn endless(turn: &ReadTurn<'_>) -> Result<(), ReadStop> {
        loop {
            turn.check()?;
        }
    }

    #[tokio::test]
    async fn a_long_read_continues_with_its_progress_on_the_slow_lane() {
        let admission = admission();
        let mut lanes = Vec::new();
        let work = move |turn: &ReadTurn<'_>| {
            lanes.push(turn.is_slow());
            if lanes.len() < 3 { Err(ReadStop::NextTurn) } else { Ok(lanes.clone()) }
        };
        assert_eq!(admission.run(&tenant("a"), Patience::Bounded, work).await.unwrap(), [false, true, true]);
        assert_eq!(admission.counts(), (0, 1, 0));
    }

    #[tokio::test]
    async fn endless_reads_do_not_delay_other_tenants_and_end_with_their_callers() {
        let admission = admission();
        let (begun, has_begun) = mpsc::channel();
        let hostile: Vec<_> = (0..50)
            .map(|_| {
                let (admission, begun) = (Arc::clone(&admission), begun.clone());
                let work = move |turn: &ReadTurn<'_>| {
                    begun.send(turn.is_slow()).unwrap();
                    endless(turn)
                };
                tokio::spawn(async move { admission.run(&tenant("hostile"), Patience::Bounded, work).await })
            })
            .collect();
        while admission.counts().1 < 50 {
            tokio::task::yield_now().await;
        }
        for _ in 0..20 {
            assert_eq!(admission.run(&tenant("good"), Patience::Bounded, |_| Ok(7)).await.unwrap(), 7);
        }
        // One thread of the slow lane always remains for other tenants.
        assert_eq!(admission.run_slowly(&tenant("good"), Patience::Bounded, |_| Ok(8)).await.unwrap(), 8);
        assert_eq!(admission.counts().0, 50);
        hostile.iter().for_each(tokio::task::JoinHandle::abort);
        for read in hostile {
            assert!(read.await.unwrap_err().is_cancelled());
        }
        assert_eq!(admission.counts().0, 0);
        admission.stop();
        drop(begun);
        assert!(has_begun.iter().count() >= 50, "each read has had a turn");
    }

    #[tokio::test]
    async fn a_tenant_with_too_many_reads_is_refused_with_the_limit_and_others_are_not() {
        let admission = admission();
        let places: Vec<_> =
            (0..READS_PER_TENANT_MAX).map(|_| admission.admit(&tenant("a"), Patience::Bounded).unwrap()).collect();
        let refused = admission.run(&tenant("a"), Patience::Bounded, |_| Ok(())).await.unwrap_err();
        assert!(matches!(refused, ReadError::Busy { limit: "reads_per_tenant_max", value: 1_024, .. }), "{refused:?}");
        admission.run(&tenant("a"), Patience::Stream, |_| Ok(())).await.unwrap();
        admission.run(&tenant("b"), Patience::Bounded, |_| Ok(())).await.unwrap();
        drop(places);
        admission.run(&tenant("a"), Patience::Bounded, |_| Ok(())).await.unwrap();
    }

    #[tokio::test]
    async fn a_host_with_too_many_reads_refuses_more() {
        let admission = admission();
        let of = |number: usize| tenant(&format!("t-{}", number / READS_PER_TENANT_MAX));
        let places: Vec<_> =
            (0..READS_MAX).map(|number| admission.admit(&of(number), Patience::Bounded).unwrap()).collect();
        let refused = admission.run(&tenant("late"), Patience::Bounded, |_| Ok(())).await.unwrap_err();
        assert!(matches!(refused, ReadError::HostBusy { limit: "reads_max", value: 8_192 }), "{refused:?}");
        drop(places);
    }

    #[tokio::test]
    async fn a_read_that_gets_no_turn_is_refused_after_a_while() {
        let lanes = Arc::new(Lanes::new(MemoryBudget::unlimited()));
        let admission = ReadAdmission::with(lanes, Vec::new(), Duration::from_millis(10));
        let refused = admission.run(&tenant("a"), Patience::Bounded, |_| Ok(())).await.unwrap_err();
        assert!(matches!(refused, ReadError::Busy { limit: "read_wait_ms_max", .. }), "{refused:?}");
    }

    #[tokio::test]
    async fn a_panicking_read_does_not_end_its_thread() {
        let admission = admission();
        for _ in 0..10 {
            let work = |_: &ReadTurn<'_>| -> Result<(), ReadStop> { panic!("on purpose") };
            let error = admission.run(&tenant("a"), Patience::Bounded, work).await.unwrap_err();
            assert!(matches!(error, ReadError::Storage(_)), "{error:?}");
        }
        admission.run(&tenant("a"), Patience::Bounded, |_| Ok(())).await.unwrap();
    }

    #[tokio::test]
    async fn reads_are_refused_when_the_host_stops() {
        let admission = admission();
        let (begun, has_begun) = mpsc::channel();
        let (running, other) = (Arc::clone(&admission), Arc::clone(&admission));
        let work = move |turn: &ReadTurn<'_>| {
            begun.send(()).unwrap();
            endless(turn)
        };
        let read = tokio::spawn(async move { running.run(&tenant("a"), Patience::Bounded, work).await });
        tokio::task::spawn_blocking(move || has_begun.recv().unwrap()).await.unwrap();
        tokio::task::spawn_blocking(move || other.stop()).await.unwrap();
        assert!(matches!(read.await.unwrap(), Err(ReadError::ShuttingDown)));
        let late = admission.run(&tenant("a"), Patience::Bounded, |_| Ok(())).await;
        assert!(matches!(late, Err(ReadError::ShuttingDown)));
    }
}
