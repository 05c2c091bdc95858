//! A deadline that moves often and passes rarely. Its timer is reset only when it fires, so moving the deadline costs
//! nothing.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

#[derive(Debug, Default)]
pub(crate) struct Deadline {
    /// The time of the deadline. `None`: it never passes.
    at: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    /// Sets the deadline to `wait` from now, unless it is set.
    pub(crate) fn start(&mut self, wait: Duration) {
        self.at.get_or_insert_with(|| Instant::now() + wait);
    }

    pub(crate) fn set(&mut self, at: Instant) {
        self.at = Some(at);
    }

    pub(crate) fn clear(&mut self) {
        self.at = None;
    }

    /// Ready once the deadline has passed. Wakes the task then.
    pub(crate) fn poll_passed(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.at else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if timer.deadline() > at || timer.is_elapsed() {
            timer.as_mut().reset(at);
        }
        loop {
            ready!(timer.as_mut().poll(context));
            if Instant::now() >= at {
                return Poll::Ready(());
            }
            timer.as_mut().reset(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn a_moved_deadline_passes_at_its_new_time() {
        let (mut deadline, begin) = (Deadline::default(), Instant::now());
        let unit = Duration::from_millis(20);
        deadline.start(unit);
        deadline.start(100 * unit);
        assert!(poll_fn(|context| Poll::Ready(deadline.poll_passed(context).is_pending())).await);
        deadline.set(begin + 3 * unit);
        poll_fn(|context| deadline.poll_passed(context)).await;
        assert!((3 * unit..100 * unit).contains(&begin.elapsed()), "{:?}", begin.elapsed());
        deadline.clear();
        let again = Instant::now();
        deadline.start(unit);
        poll_fn(|context| deadline.poll_passed(context)).await;
        assert!(again.elapsed() >= unit);
    }
}
