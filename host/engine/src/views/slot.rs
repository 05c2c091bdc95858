//! A feed, with the fields that other threads read while one works on it.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use polder_core::Position;
use polder_journal::Reader;
use polder_sandbox::Interrupt;
use tokio::sync::watch;

use super::allowance::retry_after;
use super::feed::{Feed, FeedError, Turn};
use super::store::{StoreResult, View, is_damage};
use super::store_thread::TurnStore;
use crate::scheduler::{Lane, Turned};
use crate::tenancy::{LanePolicy, Tenant};

/// Interval at which a rebuilt view checks whether the former view has advanced as far, so that their parked events can
/// be compared.
const SWITCH_WAIT: Duration = Duration::from_millis(100);
/// A view that has caught up and that no reader waits for collects the events of this period and folds them in one
/// turn, because a transaction costs as much as dozens of events.
const COLLECTING: Duration = Duration::from_millis(20);

/// Result of a switch between views.
pub(super) enum Switch {
    Done,
    /// The switch is tried again soon.
    Wait,
}

/// The file of the read models is unusable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Damaged;

pub(super) struct FeedSlot {
    pub(super) tenant: Arc<Tenant>,
    pub(super) view: View,
    /// Whether readers see this view.
    pub(super) live: AtomicBool,
    /// Whether the feed waits in the scheduler's queue or has a turn.
    pub(super) queued: AtomicBool,
    /// Set when another view has replaced this one, or when it is closed.
    pub(super) retired: Interrupt,
    /// Whether readers wait for this view while it is built. It then does not leave the CPU to the commands.
    pub(super) is_awaited: AtomicBool,
    /// Decides whether the feed runs on the slow lane.
    pub(super) lane_policy: LanePolicy,
    /// The position of the documents.
    pub(super) position: watch::Sender<Position>,
    /// The event that the revision cannot read, and before which the view stays; 0 for none.
    stopped_before: AtomicU64,
    /// Whether the view has ever folded the whole history.
    pub(super) is_built: AtomicBool,
    /// Whether an operator has changed the parked events.
    parked_changed: AtomicBool,
    stuck_in_a_row: AtomicU32,
    stalled: Mutex<Option<String>>,
    withheld: Mutex<Option<String>>,
    feed: Mutex<Feed>,
}

impl FeedSlot {
    pub(super) fn new(tenant: Arc<Tenant>, view: View, feed: Feed) -> Self {
        Self {
            tenant,
            live: AtomicBool::new(view.live),
            queued: AtomicBool::new(false),
            retired: Interrupt::default(),
            is_awaited: AtomicBool::new(false),
            lane_policy: LanePolicy::default(),
            position: watch::Sender::new(view.checkpoint),
            stopped_before: AtomicU64::new(0),
            is_built: AtomicBool::new(view.built),
            parked_changed: AtomicBool::new(true),
            stuck_in_a_row: AtomicU32::new(0),
            stalled: Mutex::default(),
            withheld: Mutex::default(),
            feed: Mutex::new(feed),
            view,
        }
    }

    /// Why the view does not advance, or `None` if it does.
    pub(super) fn stalled(&self) -> Option<String> {
        self.stalled.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why the view does not replace the former one, or `None` if nothing prevents it.
    pub(super) fn withheld(&self) -> Option<String> {
        self.withheld.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn withhold(&self, reason: Option<String>) {
        let mut withheld = self.withheld.lock().unwrap_or_else(PoisonError::into_inner);
        if reason.is_some() && *withheld != reason {
            tracing::error!(projection = %self.view.projection, revision = %self.view.revision.short(), reason, "a rebuilt view does not replace the former one");
        }
        *withheld = reason;
    }

    /// Notes that parked events have changed. Call it before waking the feed.
    pub(super) fn note_parked_changed(&self) {
        self.parked_changed.store(true, Ordering::SeqCst);
    }

    /// Whether the view stays before an event that its revision cannot read.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped_before.load(Ordering::Acquire) != 0
    }

    /// Whether the feed has something to do that it can do.
    pub(super) fn is_behind(&self) -> bool {
        let is_further = || !self.is_stopped() && *self.position.borrow() < *self.tenant.positions.borrow();
        !self.retired.is_set()
            && !self.tenant.is_closing()
            && (self.parked_changed.load(Ordering::SeqCst) || is_further())
    }

    /// Runs one turn. When everything is folded in, switches readers to this view.
    pub(super) fn turn(
        &self,
        source: (&Reader, &TurnStore<'_>),
        lane: Lane,
        caught_up: &dyn Fn() -> StoreResult<Switch>,
    ) -> Result<Turned, Damaged> {
        let mut feed = self.feed.lock().unwrap_or_else(|poisoned| {
            // A turn panicked. Its unwritten changes cannot be trusted.
            let mut feed = poisoned.into_inner();
            feed.start_over();
            self.feed.clear_poison();
            feed
        });
        // This check comes after locking: the thread that retires the feed waits for this lock, and nothing may be
        // written after that.
        if self.retired.is_set() {
            return Ok(Turned::Done);
        }
        let is_live = self.live.load(Ordering::Acquire);
        let is_beside = !is_live && !self.is_awaited.load(Ordering::Acquire);
        if self.parked_changed.swap(false, Ordering::SeqCst)
            && let Err(error) = feed.read_parked(source.1)
        {
            self.note_parked_changed();
            drop(feed);
            return self.ended(&Err(error), false);
        }
        let turned = self.retired.scope(|| self.tenant.ended().scope(|| feed.turn(source, lane, is_beside)));
        let turned = turned.and_then(|turn| match turn {
            Turn::CaughtUp => Ok(match caught_up()? {
                Switch::Wait => Turn::NotYet(SWITCH_WAIT),
                Switch::Done => turn,
            }),
            turn => Ok(turn),
        });
        let is_new = self.position.send_replace(feed.position()) != feed.position();
        drop(feed);
        self.ended(&turned, is_new)
    }

    fn ended(&self, turned: &Result<Turn, FeedError>, is_new: bool) -> Result<Turned, Damaged> {
        self.note(turned);
        if turned.is_ok() {
            self.stuck_in_a_row.store(0, Ordering::Relaxed);
        }
        Ok(match turned {
            _ if self.retired.is_set() => Turned::Done,
            Ok(Turn::More) => Turned::More,
            Ok(Turn::Overran) => {
                self.lane_policy.overran();
                Turned::More
            }
            Ok(Turn::NotYet(wait) | Turn::Resting(wait)) => Turned::Later(*wait),
            Ok(Turn::CaughtUp) if is_new && self.position.receiver_count() == 0 => Turned::Later(COLLECTING),
            Ok(Turn::CaughtUp | Turn::StoppedBefore(_) | Turn::Interrupted) => Turned::Done,
            Err(FeedError::Store(error)) if is_damage(error) => return Err(Damaged),
            Err(_) => Turned::Later(retry_after(self.stuck_in_a_row.fetch_add(1, Ordering::Relaxed) + 1)),
        })
    }

    /// Records why the feed may not have a turn now. It is retried later.
    pub(super) fn hold_up(&self, reason: String) -> Turned {
        *self.stalled.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
        Turned::Stuck
    }

    /// Prevents further turns, and ends the guest call of a running one.
    pub(super) fn retire(&self) {
        self.retired.set();
        // Wakes the waiting readers, which must look up the view that has replaced this one.
        self.position.send_modify(|_| ());
    }

    /// Waits for a running turn, and drops the guest with its documents.
    pub(super) fn finish(&self) {
        self.feed.lock().unwrap_or_else(PoisonError::into_inner).start_over();
    }

    fn note(&self, turned: &Result<Turn, FeedError>) {
        let reason = match turned {
            Ok(Turn::StoppedBefore(event)) => {
                self.stopped_before.store(event.0, Ordering::Release);
                let revision = self.view.revision.short();
                Some(format!(
                    "it stays before event {event}, which revision {revision} cannot read, until a view of another revision replaces it"
                ))
            }
            Ok(_) => None,
            Err(error) => Some(error.to_string()),
        };
        let mut stalled = self.stalled.lock().unwrap_or_else(PoisonError::into_inner);
        if reason.is_some() && *stalled != reason && !self.retired.is_set() {
            tracing::warn!(projection = %self.view.projection, reason, "a projection does not advance");
        }
        *stalled = reason;
    }
}
