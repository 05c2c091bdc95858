//! A problem that keeps a tenant's events from being published: logged once, shown while it lasts, and retried with
//! growing pauses.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use super::Progress;

/// First and longest pause before a retry.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);

pub(super) struct Trouble {
    progress: Arc<Progress>,
    reported: Option<String>,
    pause: Duration,
}

impl Trouble {
    pub(super) fn new(progress: Arc<Progress>) -> Self {
        Self { progress, reported: None, pause: PAUSE_MIN }
    }

    /// Logs the error unless it was logged last, and returns the pause before the next attempt.
    pub(super) fn report(&mut self, error: &impl Display) -> Duration {
        self.progress.stall(true);
        let error = error.to_string();
        if self.reported.as_deref() != Some(&*error) {
            tracing::error!(%error, "events of a tenant are not published; the host tries again");
            self.reported = Some(error);
        }
        let pause = self.pause;
        self.pause = (pause * 2).min(PAUSE_MAX);
        pause
    }

    /// Records that events are published again.
    pub(super) fn is_over(&mut self) {
        if self.reported.take().is_some() {
            tracing::info!("events of a tenant are published again");
            self.progress.stall(false);
        }
        self.pause = PAUSE_MIN;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_bound_until_it_is_over() {
        let progress = Arc::<Progress>::default();
        let mut trouble = Trouble::new(Arc::clone(&progress));
        assert_eq!(trouble.report(&"full"), PAUSE_MIN);
        assert_eq!(trouble.report(&"full"), PAUSE_MIN * 2);
        assert!(progress.is_stalled());
        assert_eq!((0..10).map(|_| trouble.report(&"full")).last(), Some(PAUSE_MAX));
        trouble.is_over();
        assert!(!progress.is_stalled());
        assert_eq!(trouble.report(&"full"), PAUSE_MIN);
    }
}
