//! A feed with what others may see of it while a thread works on it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use polder_core::Position;
use polder_journal::Reader;
use tokio::sync::watch;

use super::feed::{Feed, FeedError, Turn};
use super::scheduler::Turned;
use super::store::{StoreResult, View, ViewStore};
use crate::tenant::Tenant;

pub(super) struct FeedSlot {
    pub(super) tenant: Arc<Tenant>,
    pub(super) view: View,
    /// Readers see this view.
    pub(super) live: AtomicBool,
    /// Waits in the scheduler's queue, or has its turn.
    pub(super) queued: AtomicBool,
    /// Another view took its place.
    pub(super) retired: AtomicBool,
    /// How far the documents have come.
    pub(super) position: watch::Sender<Position>,
    stalled: Mutex<Option<String>>,
    feed: Mutex<Feed>,
}

impl FeedSlot {
    pub(super) fn new(tenant: Arc<Tenant>, view: View, feed: Feed) -> Self {
        Self {
            tenant,
            live: AtomicBool::new(view.live),
            queued: AtomicBool::new(false),
            retired: AtomicBool::new(false),
            position: watch::Sender::new(view.checkpoint),
            stalled: Mutex::default(),
            feed: Mutex::new(feed),
            view,
        }
    }

    /// Why it does not advance, when it does not.
    pub(super) fn stalled(&self) -> Option<String> {
        self.stalled.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The tenant's history goes beyond what is folded in.
    pub(super) fn is_behind(&self) -> bool {
        let is_retired = self.retired.load(Ordering::Acquire);
        !is_retired && *self.position.borrow() < *self.tenant.positions.borrow()
    }

    /// One turn, and once everything is folded in, the switch from the view before.
    pub(super) fn turn(&self, reader: &Reader, store: &ViewStore, go_live: &dyn Fn() -> StoreResult<()>) -> Turned {
        let mut feed = self.feed.lock().unwrap_or_else(|poisoned| {
            // A turn panicked halfway: what it had not written is not to be trusted.
            let mut feed = poisoned.into_inner();
            feed.start_over();
            self.feed.clear_poison();
            feed
        });
        // Only now: whoever retires it waits for this lock, and nothing is written after that.
        if self.retired.load(Ordering::Acquire) {
            return Turned::Done;
        }
        let turned = feed.turn(reader, store, !self.live.load(Ordering::Acquire)).and_then(|turn| {
            if turn == Turn::CaughtUp && !self.live.load(Ordering::Acquire) {
                go_live()?;
            }
            Ok(turn)
        });
        let is_new = self.position.send_replace(feed.position()) != feed.position();
        drop(feed);
        self.note(&turned);
        match turned {
            Ok(Turn::More) => Turned::More,
            Ok(Turn::NotYet(wait)) => Turned::Later(wait),
            Ok(Turn::CaughtUp) if is_new && self.position.receiver_count() == 0 => Turned::Unhurried,
            Ok(Turn::CaughtUp) => Turned::Done,
            Err(_) if self.retired.load(Ordering::Acquire) => Turned::Done,
            Err(_) => Turned::Stuck,
        }
    }

    /// Takes no more turns.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
        // Who waits for it has to look for the view that took its place.
        self.position.send_modify(|_| ());
    }

    /// Waits for a turn that is under way, and gives the guest and its documents up.
    pub(super) fn finish(&self) {
        self.feed.lock().unwrap_or_else(PoisonError::into_inner).start_over();
    }

    fn note(&self, turned: &Result<Turn, FeedError>) {
        let reason = turned.as_ref().err().map(FeedError::to_string);
        let mut stalled = self.stalled.lock().unwrap_or_else(PoisonError::into_inner);
        if reason.is_some() && *stalled != reason && !self.retired.load(Ordering::Acquire) {
            tracing::error!(projection = %self.view.projection, reason, "a projection does not advance; it is tried again");
        }
        *stalled = reason;
    }
}
