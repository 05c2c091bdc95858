//! Repeats requests to JetStream, because a cluster answers none while it elects a leader.

use std::time::{Duration, Instant};

use super::error::JournalError;

/// Longest wait for one answer of JetStream.
pub(super) const ANSWER_WAIT_MAX: Duration = Duration::from_secs(2);
/// Longest wait for a request that a cluster may not be able to answer while it elects a leader.
pub(super) const QUESTION_WAIT_MAX: Duration = Duration::from_secs(20);
/// Pause between two attempts.
pub(super) const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Repeats a request until there is an answer, or [`QUESTION_WAIT_MAX`] is over.
pub(super) async fn ask<T, E: std::fmt::Display, F: Future<Output = Result<T, E>>>(
    what: &str,
    mut question: impl FnMut() -> F,
) -> Result<T, JournalError> {
    let start = Instant::now();
    loop {
        match question().await {
            Ok(answer) => return Ok(answer),
            Err(error) if start.elapsed() > QUESTION_WAIT_MAX => return Err(JournalError::unavailable(what, error)),
            Err(_) => tokio::time::sleep(RETRY_PAUSE).await,
        }
    }
}
