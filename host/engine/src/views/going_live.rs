//! A feed's turn, and the moment at which its view has caught up with the history. A view that was rebuilt is switched
//! in then: it takes the place of the former view, and readers see it from then on.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use polder_core::counted;

use super::open_views::OpenViews;
use super::slot::{Damaged, FeedSlot, Switch};
use super::store::StoreResult;
use super::store_thread::LaneAccess;
use crate::scheduler::{Lane, Turned};

impl OpenViews {
    pub(super) fn turn(&self, feed: &FeedSlot, access: &LaneAccess, lane: Lane) -> Result<Turned, Damaged> {
        if self.are_damaged() {
            return Err(Damaged);
        }
        feed.turn((&access.reader, &access.store(&self.store)), lane, &|| self.caught_up(feed))
    }

    fn caught_up(&self, feed: &FeedSlot) -> StoreResult<Switch> {
        if !feed.live.load(Ordering::Acquire) {
            return self.go_live(feed);
        }
        if !feed.is_built.load(Ordering::Acquire) {
            self.store.set_built(feed.view.id)?;
            feed.is_built.store(true, Ordering::Release);
            feed.position.send_modify(|_| ());
        }
        Ok(Switch::Done)
    }

    /// Replaces the former view, which this one has caught up with, unless this one sets aside events that the former
    /// has applied.
    fn go_live(&self, feed: &FeedSlot) -> StoreResult<Switch> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if feed.live.load(Ordering::Acquire) || feed.retired.is_set() {
            return Ok(Switch::Done);
        }
        let view = &feed.view;
        if self.store.parked_count(view.id)? > 0 && !self.store.is_accepted(view.id)? {
            let old = self.live_feed(&view.domain, &view.projection);
            if old.is_some_and(|old| old.is_behind()) {
                return Ok(Switch::Wait);
            }
            if let Some(aside) = self.store.set_aside_beyond(view)? {
                feed.withhold(Some(format!(
                    "it sets aside {} that the view before has applied, the first at position {}; see the parked events, \
                     or deploy the revision again and accept that",
                    counted(aside.events, "event"),
                    aside.first
                )));
                return Ok(Switch::Done);
            }
        }
        feed.withhold(None);
        self.store.switch_to(view)?;
        feed.is_built.store(true, Ordering::Release);
        feed.live.store(true, Ordering::Release);
        tracing::info!(projection = %view.projection, revision = %view.revision.short(), "a rebuilt view is live");
        self.retire(|other| {
            other.view.id != view.id && other.view.domain == view.domain && other.view.projection == view.projection
        });
        Ok(Switch::Done)
    }
}
