//! A tenant's open views: the store, and the feeds that fold the history into it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use polder_core::{DomainName, Position, ProjectionName, TenantName};
use polder_journal::{ReadError, Reader};
use polder_sandbox::Component;
use tokio::sync::watch;

use super::answers::ProjectionInfo;
use super::feed::Feed;
use super::restore::Restore;
use super::slot::FeedSlot;
use super::store::{OpenStoreError, StoreResult, View, ViewStore};
use super::view_tasks::ViewQueue;
use crate::tenancy::Tenant;

pub(super) struct OpenViews {
    pub(super) store: Arc<ViewStore>,
    feeds: RwLock<Vec<Arc<FeedSlot>>>,
    /// Whether the file is damaged or gone. Then nothing is read from it any more.
    is_damaged: AtomicBool,
    /// Held while views are added, switched or dropped. So a rebuilt view either replaces the old one or is dropped for
    /// a newer revision, never both.
    pub(super) changing: Mutex<()>,
}

/// Options of a deployment that concern views.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Let the new views replace the former ones, whatever they set aside.
    pub(crate) accept_set_aside: bool,
}

/// The reason why a tenant's read models cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenViewsError {
    #[error(transparent)]
    Store(#[from] OpenStoreError),
    #[error("the history cannot be read: {0}")]
    Journal(#[from] ReadError),
}

impl From<rusqlite::Error> for OpenViewsError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

impl OpenViewsError {
    /// Whether the file must be rebuilt.
    pub(super) fn is_damage(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_damage())
    }
}

impl OpenViews {
    pub(super) fn open(path: &Path, tenant: &Tenant, reader: &Reader) -> Result<Self, OpenViewsError> {
        let store = Arc::new(ViewStore::open(path)?);
        forget_another_history(&store, &tenant.name, reader)?;
        tenant.views_take(store.bytes()?);
        let (feeds, is_damaged, changing) = Default::default();
        Ok(Self { store, feeds, is_damaged, changing })
    }

    /// Makes the component's projections the current ones. A view of another revision remains in place until the new
    /// one has caught up.
    pub(super) fn activate(
        &self,
        tenant: &Arc<Tenant>,
        component: &Arc<Component>,
        restore: &Restore,
        asked: Option<Asked>,
    ) -> StoreResult<()> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let descriptor = &component.descriptor;
        let (domain, revision) = (&descriptor.domain, component.revision);
        for old in self.store.views()?.into_iter().filter(|view| view.domain == *domain && view.revision != revision) {
            let is_wanted = descriptor.projections.contains_key(&old.projection);
            if !(is_wanted && old.live) {
                self.retire(|feed| feed.view.id == old.id);
                self.store.drop_view(old.id)?;
            } else if !self.is_fed(&old)
                && let Some(component) = restore(old.revision)
            {
                self.feed(tenant, old, component);
            }
        }
        for projection in descriptor.projections.keys() {
            let view = self.store.view(domain, projection, revision)?;
            if let Some(asked) = asked {
                self.ask(&view, asked)?;
            }
            if !self.is_fed(&view) {
                self.feed(tenant, view, Arc::clone(component));
            }
        }
        Ok(())
    }

    pub(super) fn feeds(&self) -> Vec<Arc<FeedSlot>> {
        self.feeds.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether no thread works on the feeds and nothing is left to fold in.
    pub(super) fn are_idle(&self) -> bool {
        let feeds = self.feeds.read().unwrap_or_else(PoisonError::into_inner);
        !feeds.iter().any(|feed| feed.queued.load(Ordering::SeqCst) || feed.is_behind())
    }

    /// Whether a feed has not reached `position`.
    pub(super) fn are_behind(&self, position: Position) -> bool {
        self.feeds().iter().any(|feed| *feed.position.borrow() < position)
    }

    /// Whether the file is unusable. It must be rebuilt before anything else is read.
    pub(super) fn are_damaged(&self) -> bool {
        self.is_damaged.load(Ordering::Acquire) || self.store.is_gone()
    }

    pub(super) fn note_damage(&self) {
        self.is_damaged.store(true, Ordering::Release);
    }

    pub(super) fn info(&self, domain: &DomainName) -> Vec<ProjectionInfo> {
        // A copy of the list: the thread that wakes feeds must not wait for SQLite.
        let feeds = self.feeds.read().unwrap_or_else(PoisonError::into_inner).clone();
        let own = || feeds.iter().filter(|feed| feed.view.domain == *domain);
        let live = own().filter(|feed| feed.live.load(Ordering::Acquire));
        live.map(|feed| {
            let other =
                own().find(|other| other.view.projection == feed.view.projection && other.view.id != feed.view.id);
            ProjectionInfo {
                projection: feed.view.projection.clone(),
                revision: feed.view.revision,
                position: *feed.position.borrow(),
                is_being_built: !feed.is_built.load(Ordering::Acquire),
                rebuilding: other.map(|other| *other.position.borrow()),
                withheld: other.and_then(|other| other.withheld()),
                parked: self.parked_count(feed),
                stalled: feed.stalled().or_else(|| other.and_then(|other| other.stalled())),
            }
        })
        .collect()
    }

    fn parked_count(&self, feed: &FeedSlot) -> u64 {
        self.store.parked_count(feed.view.id).unwrap_or_else(|error| {
            // The views are made anew if they are damaged, and count again then.
            tracing::warn!(projection = %feed.view.projection, %error, "the parked events cannot be counted");
            0
        })
    }

    /// The feed of the view that readers see.
    pub(super) fn live_feed(&self, domain: &DomainName, projection: &ProjectionName) -> Option<Arc<FeedSlot>> {
        let feeds = self.feeds.read().unwrap_or_else(PoisonError::into_inner);
        let mut own = feeds.iter().filter(|feed| feed.view.domain == *domain && feed.view.projection == *projection);
        own.find(|feed| feed.live.load(Ordering::Acquire)).cloned()
    }

    /// # Errors
    /// [`Retired`] if the view was switched or closed in between: the caller has to open the views again.
    pub(super) fn position(
        &self,
        domain: &DomainName,
        projection: &ProjectionName,
    ) -> Result<Option<Reached>, Retired> {
        let Some(feed) = self.live_feed(domain, projection) else { return Ok(None) };
        let positions = feed.position.subscribe();
        // A feed that was retired in between moves no more, and its reader would wait in vain.
        if feed.retired.is_set() { Err(Retired) } else { Ok(Some(Reached { positions, feed })) }
    }

    /// Wakes the feeds for a waiting reader. Subscribe to the position first, or a turn that ends in between misses the
    /// subscriber.
    pub(super) fn hurry(&self, domain: &DomainName, projection: &ProjectionName, queue: &ViewQueue) {
        let feeds = self.feeds();
        let own = feeds.iter().filter(|feed| feed.view.domain == *domain && feed.view.projection == *projection);
        let own: Vec<_> = own.collect();
        // A view that cannot advance waits for the one that is being built, so that one must not leave the CPU to the
        // commands.
        let is_stopped = own.iter().any(|feed| feed.live.load(Ordering::Acquire) && feed.is_stopped());
        for feed in own {
            if is_stopped {
                feed.is_awaited.store(true, Ordering::Release);
            }
            queue.hurry(feed);
        }
    }

    /// Wakes all feeds after parked events or limits have changed.
    pub(super) fn retry(&self, queue: &ViewQueue) {
        for feed in self.feeds() {
            feed.note_parked_changed();
            queue.wake(&feed);
            queue.hurry(&feed);
        }
    }

    /// Ends all feeds. Nothing is written after this returns.
    pub(super) fn end(&self) {
        let feeds = self.feeds();
        feeds.iter().for_each(|feed| feed.retire());
        feeds.iter().for_each(|feed| feed.finish());
    }

    fn ask(&self, view: &View, asked: Asked) -> StoreResult<()> {
        if asked.accept_set_aside {
            self.store.accept(view.id)?;
        }
        self.store.retry_view(view.id)?;
        let feeds = self.feeds();
        feeds.iter().filter(|feed| feed.view.id == view.id).for_each(|feed| feed.note_parked_changed());
        Ok(())
    }

    fn is_fed(&self, view: &View) -> bool {
        self.feeds.read().unwrap_or_else(PoisonError::into_inner).iter().any(|feed| feed.view.id == view.id)
    }

    fn feed(&self, tenant: &Arc<Tenant>, view: View, component: Arc<Component>) {
        let feed = Feed::new(Arc::clone(tenant), view.clone(), component);
        let slot = Arc::new(FeedSlot::new(Arc::clone(tenant), view, feed));
        self.feeds.write().unwrap_or_else(PoisonError::into_inner).push(slot);
    }

    pub(super) fn retire(&self, which: impl Fn(&FeedSlot) -> bool) {
        self.feeds.write().unwrap_or_else(PoisonError::into_inner).retain(|feed| {
            let goes = which(feed);
            if goes {
                feed.retire();
            }
            !goes
        });
    }
}

/// The feed of a view was retired while its position was looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Retired;

/// The position of the documents that readers see, as it advances.
pub(crate) struct Reached {
    pub(crate) positions: watch::Receiver<Position>,
    feed: Arc<FeedSlot>,
}

impl Reached {
    /// Whether the view has ever folded the whole history.
    pub(crate) fn is_built(&self) -> bool {
        self.feed.is_built.load(Ordering::Acquire)
    }

    /// Why the view does not advance, or `None` if it does.
    pub(crate) fn stalled(&self) -> Option<String> {
        self.feed.stalled()
    }
}

/// Drops views that belong to another history. If an older copy of the journal was restored, views may be ahead of it
/// or on another branch: their content beyond that copy never happened, and new events would be skipped. All views are
/// rebuilt, and effects are requested again.
fn forget_another_history(store: &ViewStore, tenant: &TenantName, reader: &Reader) -> Result<(), OpenViewsError> {
    for view in store.views()? {
        if !is_of_this_history(&view, tenant, reader)? {
            let (checkpoint, last) = (view.checkpoint, reader.last_position(tenant));
            tracing::warn!(
                %tenant, projection = %view.projection, %checkpoint, %last,
                "the views have another history than the journal, for example because an older copy of the journal was restored; \
                 the views are rebuilt, and effects are requested again"
            );
            store.drop_all()?;
            break;
        }
    }
    Ok(())
}

fn is_of_this_history(view: &View, tenant: &TenantName, reader: &Reader) -> Result<bool, ReadError> {
    if view.checkpoint > reader.last_position(tenant) {
        return Ok(false);
    }
    let (Some(before), Some(head)) = (view.checkpoint.0.checked_sub(1), view.head) else { return Ok(true) };
    let batch = reader.tenant_batch(tenant, Position(before), 1)?;
    Ok(batch.events().next().is_some_and(|(_, event)| event.id == head))
}
