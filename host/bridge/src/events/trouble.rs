//! What keeps a tenant's events from being published: said once, shown for as long as it lasts, and tried again ever more rarely.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use super::Progress;

/// Until it is tried again: the first time, and at most.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);

pub(super) struct Trouble {
    progress: Arc<Progress>,
    said: Option<String>,
    pause: Duration,
}

impl Trouble {
    pub(super) fn new(progress: Arc<Progress>) -> Self {
        Self { progress, said: None, pause: PAUSE_MIN }
    }

    /// Gives how long to wait now.
    pub(super) fn said(&mut self, error: &impl Display) -> Duration {
        self.progress.stall(true);
        let error = error.to_string();
        if self.said.as_deref() != Some(&*error) {
            tracing::error!(%error, "events of a tenant are not published; it is tried again");
            self.said = Some(error);
        }
        let pause = self.pause;
        self.pause = (pause * 2).min(PAUSE_MAX);
        pause
    }

    /// Events are published again.
    pub(super) fn is_over(&mut self) {
        if self.said.take().is_some() {
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
        assert_eq!(trouble.said(&"full"), PAUSE_MIN);
        assert_eq!(trouble.said(&"full"), PAUSE_MIN * 2);
        assert!(progress.is_stalled());
        assert_eq!((0..10).map(|_| trouble.said(&"full")).last(), Some(PAUSE_MAX));
        trouble.is_over();
        assert!(!progress.is_stalled());
        assert_eq!(trouble.said(&"full"), PAUSE_MIN);
    }
}
