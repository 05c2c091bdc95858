//! The end of a host. Its steps share one deadline, which counts from the signal that stops the host, so a step that
//! hangs delays no other beyond its own time. The main thread waits outside of the runtime: it ends the process in time
//! even if no thread of the runtime runs any more.
//!
//! | step | ends at the latest after |
//! |---|---|
//! | the requests under way are answered or cut off | 6 s, by the server's own constants |
//! | the host releases the journals that it shares with other hosts | [`RELEASE_UNTIL`] |
//! | it ends the commands under way, closes its journals cleanly, and ends reads and views | [`CLOSE_UNTIL`] |
//! | the runtime waits for work that blocks, such as a build | [`END_WAIT_MAX`] |
//!
//! What is cut off at the end leaves what a kill leaves: nothing that was acknowledged is lost.

use std::panic::resume_unwind;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::task::JoinError;

use crate::failure::Outcome;

/// The longest end of a host, from the signal until the process ends. Below ten seconds, after which process managers
/// kill.
const END_WAIT_MAX: Duration = Duration::from_millis(9_500);
/// Time after the signal until which the host releases the journals that it shares.
pub(super) const RELEASE_UNTIL: Duration = Duration::from_secs(7);
/// Time after the signal until which the host closes its journals.
pub(super) const CLOSE_UNTIL: Duration = Duration::from_secs(9);

/// The clock of the end. Clones share it.
#[derive(Clone)]
pub(super) struct End {
    began: Arc<OnceLock<Instant>>,
    news: Sender<News>,
}

enum News {
    Begins,
    /// The work has ended, or has panicked.
    IsOver(Result<Outcome, JoinError>),
}

impl End {
    /// Starts the clock, unless it runs already. Returns the time at which it was started.
    pub(super) fn begin(&self) -> Instant {
        *self.began.get_or_init(|| {
            // The main thread waits for it as long as the process runs.
            drop(self.news.send(News::Begins));
            Instant::now()
        })
    }

    /// Runs one step of the end until the clock shows `until`. Returns `None` if the step was cut off.
    pub(super) async fn within<T>(&self, until: Duration, step: &str, work: impl Future<Output = T>) -> Option<T> {
        let done = tokio::time::timeout_at((self.begin() + until).into(), work).await.ok();
        if done.is_none() {
            tracing::error!(step, "a step of the end took longer than {} s and was cut off", until.as_secs());
        }
        done
    }
}

/// Runs a host on the runtime until it is over. The clock starts when `work` begins the end.
pub(super) fn run<F>(runtime: Runtime, work: impl FnOnce(End) -> F) -> Outcome
where
    F: Future<Output = Outcome> + Send + 'static,
{
    run_until(END_WAIT_MAX, runtime, work)
}

fn run_until<F>(wait_max: Duration, runtime: Runtime, work: impl FnOnce(End) -> F) -> Outcome
where
    F: Future<Output = Outcome> + Send + 'static,
{
    let (sender, news) = channel();
    let began = Arc::default();
    let work = work(End { began: Arc::clone(&began), news: sender.clone() });
    runtime.spawn(async move {
        let outcome = tokio::spawn(work).await;
        // The main thread has stopped waiting if this comes too late.
        drop(sender.send(News::IsOver(outcome)));
    });
    let last = match news.recv() {
        Ok(News::Begins) => news.recv_timeout(wait_max),
        first => first.map_err(RecvTimeoutError::from),
    };
    let outcome = match last {
        Ok(News::IsOver(Ok(outcome))) => outcome,
        Ok(News::IsOver(Err(ended))) => resume_unwind(ended.into_panic()),
        Ok(News::Begins) | Err(_) => {
            tracing::error!("the host did not end within {wait_max:?} and was cut off");
            Ok(())
        }
    };
    let left = wait_max.saturating_sub(began.get_or_init(Instant::now).elapsed());
    runtime.shutdown_timeout(left);
    outcome
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;

    use super::*;

    const WAIT_MAX: Duration = Duration::from_millis(200);
    /// Far longer than a test may take.
    const ENDLESS: Duration = Duration::from_secs(600);

    fn runtime() -> Runtime {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
    }

    #[test]
    fn the_end_comes_in_time_even_if_no_thread_of_the_runtime_runs() {
        let start = Instant::now();
        let outcome = run_until(WAIT_MAX, runtime(), |end| async move {
            end.begin();
            // The one worker is blocked, so no timer of the runtime runs.
            sleep(ENDLESS);
            Ok(())
        });
        assert!(outcome.is_ok() && start.elapsed() < ENDLESS / 10, "{:?}", start.elapsed());
    }

    #[test]
    fn work_that_blocks_does_not_delay_the_end() {
        let start = Instant::now();
        let outcome = run_until(WAIT_MAX, runtime(), |end| async move {
            drop(tokio::task::spawn_blocking(|| sleep(ENDLESS)));
            end.begin();
            Ok(())
        });
        assert!(outcome.is_ok() && start.elapsed() < ENDLESS / 10, "{:?}", start.elapsed());
    }

    #[test]
    fn a_step_that_hangs_leaves_time_to_the_next_one() {
        let outcome = run_until(ENDLESS, runtime(), |end| async move {
            assert!(end.within(WAIT_MAX, "hangs", std::future::pending::<()>()).await.is_none());
            assert_eq!(end.within(ENDLESS, "works", async { 7 }).await, Some(7));
            Ok(())
        });
        assert!(outcome.is_ok());
    }

    #[test]
    fn the_outcome_and_a_panic_reach_the_caller() {
        let failed = run_until(WAIT_MAX, runtime(), |_| async { Err(anyhow::anyhow!("on purpose").into()) });
        assert!(failed.is_err());
        let panicked = std::panic::catch_unwind(|| run_until(WAIT_MAX, runtime(), |_| async { panic!("on purpose") }));
        assert!(panicked.is_err());
    }
}
