//! A tenant's views while they are open: the store, and the feeds that fold the history into it.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use polder_core::{DomainName, Position, ProjectionName, TenantName};
use polder_journal::{ReadError, Reader};
use polder_sandbox::Component;
use tokio::sync::watch;

use super::Restore;
use super::feed::Feed;
use super::scheduler::{Queue, Turned};
use super::slot::FeedSlot;
use super::store::{OpenStoreError, StoreResult, View, ViewStore};
use crate::ProjectionInfo;
use crate::tenant::Tenant;

pub(super) struct OpenViews {
    pub(super) store: ViewStore,
    feeds: RwLock<Vec<Arc<FeedSlot>>>,
    /// Held while views are added, switched or dropped: a rebuilt view either takes the place of the old one or makes
    /// room for a newer revision's, never both.
    changing: Mutex<()>,
}

/// Why a tenant's read models cannot be opened.
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

impl OpenViews {
    pub(super) fn open(path: &Path, tenant: &TenantName, reader: &Reader) -> Result<Self, OpenViewsError> {
        let store = ViewStore::open(path)?;
        forget_another_history(&store, tenant, reader)?;
        Ok(Self { store, feeds: RwLock::default(), changing: Mutex::default() })
    }

    /// Makes the component's projections the ones to be: a view of another revision stays in place until the new one has
    /// caught up.
    pub(super) fn activate(
        &self,
        tenant: &Arc<Tenant>,
        component: &Arc<Component>,
        restore: &Restore,
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
                self.feed(tenant, old, component)?;
            }
        }
        for projection in descriptor.projections.keys() {
            let view = self.store.view(domain, projection, revision)?;
            if !self.is_fed(&view) {
                self.feed(tenant, view, Arc::clone(component))?;
            }
        }
        Ok(())
    }

    pub(super) fn feeds(&self) -> Vec<Arc<FeedSlot>> {
        self.feeds.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Nobody works on them, and nothing is left to be folded in.
    pub(super) fn are_idle(&self) -> bool {
        let feeds = self.feeds.read().unwrap_or_else(PoisonError::into_inner);
        !feeds.iter().any(|feed| feed.queued.load(Ordering::SeqCst) || feed.is_behind())
    }

    /// Something up to there is not folded in.
    pub(super) fn are_behind(&self, position: Position) -> bool {
        self.feeds().iter().any(|feed| *feed.position.borrow() < position)
    }

    pub(super) fn info(&self, domain: &DomainName) -> Vec<ProjectionInfo> {
        let feeds = self.feeds.read().unwrap_or_else(PoisonError::into_inner);
        let own = || feeds.iter().filter(|feed| feed.view.domain == *domain);
        let live = own().filter(|feed| feed.live.load(Ordering::Acquire));
        live.map(|feed| {
            let other =
                own().find(|other| other.view.projection == feed.view.projection && other.view.id != feed.view.id);
            ProjectionInfo {
                projection: feed.view.projection.clone(),
                revision: feed.view.revision,
                position: *feed.position.borrow(),
                rebuilding: other.map(|other| *other.position.borrow()),
                parked: self.store.parked_count(feed.view.id).unwrap_or_default(),
                stalled: feed.stalled().or_else(|| other.and_then(|other| other.stalled())),
            }
        })
        .collect()
    }

    pub(super) fn position(
        &self,
        domain: &DomainName,
        projection: &ProjectionName,
    ) -> Option<watch::Receiver<Position>> {
        let feeds = self.feeds.read().unwrap_or_else(PoisonError::into_inner);
        let mut own = feeds.iter().filter(|feed| feed.view.domain == *domain && feed.view.projection == *projection);
        own.find(|feed| feed.live.load(Ordering::Acquire)).map(|feed| feed.position.subscribe())
    }

    /// Somebody waits for what the view has not folded in. To be called by who has its position already: so a turn that ends
    /// meanwhile sees that somebody does.
    pub(super) fn hurry(&self, domain: &DomainName, projection: &ProjectionName, queue: &Queue) {
        let feeds = self.feeds();
        let own = feeds.iter().filter(|feed| feed.view.domain == *domain && feed.view.projection == *projection);
        own.for_each(|feed| queue.hurry(feed));
    }

    pub(super) fn turn(&self, feed: &FeedSlot, reader: &Reader) -> Turned {
        feed.turn(reader, &self.store, &|| self.go_live(feed))
    }

    /// Nothing is written any more once this returns.
    pub(super) fn end(&self) {
        for feed in self.feeds() {
            feed.retire();
            feed.finish();
        }
    }

    fn is_fed(&self, view: &View) -> bool {
        self.feeds.read().unwrap_or_else(PoisonError::into_inner).iter().any(|feed| feed.view.id == view.id)
    }

    fn feed(&self, tenant: &Arc<Tenant>, view: View, component: Arc<Component>) -> StoreResult<()> {
        let blocked = self.store.blocked(view.id)?;
        let feed = Feed::new(Arc::clone(tenant), view.clone(), component, blocked);
        let slot = Arc::new(FeedSlot::new(Arc::clone(tenant), view, feed));
        self.feeds.write().unwrap_or_else(PoisonError::into_inner).push(slot);
        Ok(())
    }

    /// The view has caught up: it takes the place of the one before.
    fn go_live(&self, feed: &FeedSlot) -> StoreResult<()> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if feed.live.load(Ordering::Acquire) || feed.retired.load(Ordering::Acquire) {
            return Ok(());
        }
        let view = &feed.view;
        self.store.switch_to(view)?;
        feed.live.store(true, Ordering::Release);
        tracing::info!(projection = %view.projection, revision = %view.revision.short(), "a rebuilt view is live");
        self.retire(|other| {
            other.view.id != view.id && other.view.domain == view.domain && other.view.projection == view.projection
        });
        Ok(())
    }

    fn retire(&self, which: impl Fn(&FeedSlot) -> bool) {
        self.feeds.write().unwrap_or_else(PoisonError::into_inner).retain(|feed| {
            let goes = which(feed);
            if goes {
                feed.retire();
            }
            !goes
        });
    }
}

/// Where an older copy of the journal was put in place, views may have come further than it goes, or by another way: what they
/// hold beyond that did not happen, and what happens now would be skipped. All of them are built anew, and effects asked for again.
fn forget_another_history(store: &ViewStore, tenant: &TenantName, reader: &Reader) -> Result<(), OpenViewsError> {
    for view in store.views()? {
        if !is_of_this_history(&view, tenant, reader)? {
            let (checkpoint, last) = (view.checkpoint, reader.last_position(tenant));
            tracing::warn!(
                %tenant, projection = %view.projection, %checkpoint, %last,
                "the read models are of another history than the journal, as when an older copy of it was restored; they are \
                 built anew, and effects are asked for again"
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
