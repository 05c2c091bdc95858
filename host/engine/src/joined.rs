//! Waits for work that runs in a task or on a thread of its own.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;

use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinHandle};

use crate::priority;

/// Returns the task's result. A panic of the task continues in the caller. A cancelled task ended with its runtime;
/// then this future never completes, and the caller ends with the runtime too.
pub async fn joined<T>(task: JoinHandle<T>) -> T {
    match task.await.map_err(JoinError::try_into_panic) {
        Ok(done) => done,
        Err(Ok(panic)) => resume_unwind(panic),
        Err(Err(_cancelled)) => std::future::pending().await,
    }
}

/// Runs work that blocks on a thread for such work.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    joined(tokio::task::spawn_blocking(work)).await
}

/// Runs work that blocks on a thread of its own, behind the threads of commands. The caller bounds how much of such
/// work there is at a time. A panic of the work continues in the caller.
///
/// # Errors
/// Fails if the system gives no thread.
pub(crate) async fn blocking_behind_commands<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (reply, answer) = oneshot::channel();
    let run = move || {
        priority::yield_to_commands();
        // If the caller is gone, the result is dropped.
        let _ = reply.send(catch_unwind(AssertUnwindSafe(work)));
    };
    thread::Builder::new().name(name.to_owned()).spawn(run)?;
    match answer.await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(panic)) => resume_unwind(panic),
        Err(_) => unreachable!("the thread always replies"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Poll;

    #[tokio::test]
    async fn work_behind_commands_is_answered_and_its_panic_continues() {
        let niceness = || rustix::process::getpriority_process(None).unwrap();
        assert!(blocking_behind_commands("test", niceness).await.unwrap() > niceness());
        let panicking = tokio::spawn(blocking_behind_commands("test", || panic!("on purpose")));
        assert!(panicking.await.unwrap_err().is_panic());
    }

    #[tokio::test]
    async fn a_panic_continues_and_a_cancelled_task_never_completes() {
        assert_eq!(joined(tokio::spawn(async { 7 })).await, 7);
        let panicking = tokio::spawn(joined(tokio::spawn(async { panic!("on purpose") })));
        assert!(panicking.await.unwrap_err().is_panic());
        let cancelled = tokio::spawn(std::future::pending::<()>());
        cancelled.abort();
        while !cancelled.is_finished() {
            tokio::task::yield_now().await;
        }
        let mut waiting = std::pin::pin!(joined(cancelled));
        let polled = std::future::poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context))).await;
        assert!(polled.is_pending(), "the waiting task neither ends nor panics");
    }
}
