//! Tells when every command that was on its way at a certain moment has its answer: so a switch knows that nothing more comes of the
//! revision before.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::oneshot;

/// The commands of one domain that are on their way.
pub(crate) struct Passage {
    current: ArcSwap<oneshot::Sender<()>>,
    /// Closes with the last of them.
    closing: Mutex<oneshot::Receiver<()>>,
}

/// Held while a command is on its way.
pub(crate) struct OnPassage {
    _sender: Arc<oneshot::Sender<()>>,
}

/// The commands that had set out by a certain moment.
pub(crate) struct Passed(oneshot::Receiver<()>);

impl Passage {
    pub(crate) fn new() -> Self {
        let (sender, closing) = oneshot::channel();
        Self { current: ArcSwap::from_pointee(sender), closing: Mutex::new(closing) }
    }

    pub(crate) fn begin(&self) -> OnPassage {
        OnPassage { _sender: self.current.load_full() }
    }

    /// Those that have begun until now; later ones do not count.
    pub(crate) fn so_far(&self) -> Passed {
        let (sender, closing) = oneshot::channel();
        let mut current = self.closing.lock().unwrap_or_else(PoisonError::into_inner);
        self.current.store(Arc::new(sender));
        Passed(std::mem::replace(&mut current, closing))
    }
}

impl Passed {
    /// Until all of them have their answers.
    pub(crate) async fn wait(self) {
        // Nothing is ever sent: it closes.
        drop(self.0.await);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::{Context, Poll, Waker};

    #[test]
    fn only_those_that_had_set_out_are_waited_for() {
        let passage = Passage::new();
        let (first, second) = (passage.begin(), passage.begin());
        let mut waiting = Box::pin(passage.so_far().wait());
        let later = passage.begin();
        let mut poll = || waiting.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(poll(), Poll::Pending);
        drop(first);
        assert_eq!(poll(), Poll::Pending);
        drop(second);
        assert_eq!(poll(), Poll::Ready(()));
        let mut waiting = Box::pin(passage.so_far().wait());
        assert_eq!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending);
        drop(later);
        assert_eq!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(()));
    }
}
