//! Waits for work that runs in a task or on a thread of its own.

use tokio::task::{JoinError, JoinHandle};

/// Returns the task's result. A panic of the task continues in the caller. A cancelled task ended with its runtime;
/// then this future never completes, and the caller ends with the runtime too.
pub async fn joined<T>(task: JoinHandle<T>) -> T {
    match task.await.map_err(JoinError::try_into_panic) {
        Ok(done) => done,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        Err(Err(_cancelled)) => std::future::pending().await,
    }
}

/// Runs work that blocks on a thread for such work.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    joined(tokio::task::spawn_blocking(work)).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Poll;

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
