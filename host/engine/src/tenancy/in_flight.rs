//! Detects when all commands that were in flight at a certain moment have been answered. A switch then knows that no
//! command of the former revision follows.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::oneshot;

/// The commands of one domain that are in flight.
pub(crate) struct InFlight {
    current: ArcSwap<oneshot::Sender<()>>,
    /// Closes when the last of them has ended.
    closing: Mutex<oneshot::Receiver<()>>,
}

/// Held while a command is in flight.
pub(crate) struct InFlightGuard {
    _sender: Arc<oneshot::Sender<()>>,
}

/// The commands that were in flight at a certain moment.
pub(crate) struct Drained(oneshot::Receiver<()>);

impl InFlight {
    pub(crate) fn new() -> Self {
        let (sender, closing) = oneshot::channel();
        Self { current: ArcSwap::from_pointee(sender), closing: Mutex::new(closing) }
    }

    pub(crate) fn begin(&self) -> InFlightGuard {
        InFlightGuard { _sender: self.current.load_full() }
    }

    /// The commands that have begun until now, without later ones.
    pub(crate) fn so_far(&self) -> Drained {
        let (sender, closing) = oneshot::channel();
        let mut current = self.closing.lock().unwrap_or_else(PoisonError::into_inner);
        self.current.store(Arc::new(sender));
        Drained(std::mem::replace(&mut current, closing))
    }
}

impl Drained {
    /// Waits until all of these commands have been answered.
    pub(crate) async fn wait(self) {
        // Nothing is ever sent; the channel closes.
        drop(self.0.await);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::{Context, Poll, Waker};

    #[test]
    fn only_commands_in_flight_at_that_moment_are_waited_for() {
        let in_flight = InFlight::new();
        let (first, second) = (in_flight.begin(), in_flight.begin());
        let mut waiting = Box::pin(in_flight.so_far().wait());
        let later = in_flight.begin();
        let mut poll = || waiting.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(poll(), Poll::Pending);
        drop(first);
        assert_eq!(poll(), Poll::Pending);
        drop(second);
        assert_eq!(poll(), Poll::Ready(()));
        let mut waiting = Box::pin(in_flight.so_far().wait());
        assert_eq!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending);
        drop(later);
        assert_eq!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(()));
    }
}
