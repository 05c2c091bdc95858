//! A tenant's events in order, page by page: first the recorded ones, then, for readers that follow, new ones. This
//! module knows nothing of their format.

use std::time::Duration;

use futures::{Stream, stream};
use polder_core::{Position, TenantName};
use polder_engine::{EventFilter, EventPage, Host, ReadError};
use tokio::sync::watch;

use crate::access::VisibleEvents;
use crate::wire::event_stream::{Page, StreamItem};

/// The most events of one page. The engine ends a page earlier when its events are large.
pub(crate) const EVENTS_PER_PAGE: usize = 256;
/// A reader that follows gets an empty page after this long without an event, so that the connection shows activity.
const QUIET_MAX: Duration = Duration::from_secs(15);
/// The pause before a page is read again, if the host had no memory for it.
pub(crate) const MEMORY_PAUSE: Duration = Duration::from_millis(500);
/// The most such retries of one page. After them the response breaks off.
pub(crate) const MEMORY_PAUSES_MAX: usize = 60;

/// A reader's way through the events of a tenant.
pub(crate) struct Feed {
    host: Host,
    query: FeedQuery,
    follow: Option<Follow>,
    /// The first page, read before the response begins, so that a refusal still has a status.
    first: Option<EventPage>,
    /// Whether the last page was empty although more events remain to be searched.
    is_searching: bool,
    /// Whether the feed was closed before its end, so that there may be more events.
    is_cut: bool,
}

/// Which events of a tenant a reader gets.
pub(crate) struct FeedQuery {
    pub(crate) tenant: TenantName,
    pub(crate) filter: EventFilter,
    pub(crate) visible: VisibleEvents,
    pub(crate) after: Position,
    /// The last position to send, which the feed may wait for. `None`: there is no last one.
    pub(crate) end_at: Option<Position>,
    /// How many events may still be sent. `None`: all.
    pub(crate) limit: Option<u64>,
}

/// What a reader that follows waits for.
pub(crate) struct Follow {
    /// The newest position of the tenant.
    pub(crate) positions: watch::Receiver<Position>,
    /// Becomes true when the feed has to end.
    pub(crate) closing: watch::Receiver<bool>,
}

/// Why a wait ended.
enum Woken {
    /// There are new events.
    Moved,
    /// No event came for [`QUIET_MAX`].
    Quiet,
    Closing,
}

impl Feed {
    pub(crate) async fn open(host: Host, query: FeedQuery, follow: Option<Follow>) -> Result<Self, ReadError> {
        let mut feed = Self { host, query, follow, first: None, is_searching: false, is_cut: false };
        let FeedQuery { tenant, filter, after, .. } = &feed.query;
        feed.first = Some(feed.host.queries().events(tenant, filter, *after, feed.query.page_limit()).await?);
        Ok(feed)
    }

    /// Returns the next events, an empty page when there was none for a while, or `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Page>, ReadError> {
        while !self.is_complete() {
            let mut page = match self.first.take() {
                Some(page) => page,
                None => self.page().await?,
            };
            let moved = page.next > self.query.after;
            self.query.after = page.next.max(self.query.after);
            if let Some(end) = self.query.end_at {
                page.events.retain(|event| event.position <= end);
            }
            self.query.visible.filter(&self.query.tenant, &mut page.events);
            if !page.events.is_empty() {
                let given = page.events.len() as u64;
                self.query.limit = self.query.limit.map(|left| left.saturating_sub(given));
                self.is_searching = false;
                return Ok(Some(Page { events: page.events, reserved: page.reserved }));
            }
            self.is_searching = moved;
            // The search goes on: a page without matching events is not the end.
            if moved {
                continue;
            }
            let Some(follow) = &mut self.follow else { return Ok(None) };
            match follow.wait(self.query.after).await {
                Woken::Moved => {}
                Woken::Quiet => return Ok(Some(Page::default())),
                Woken::Closing => {
                    self.is_cut = true;
                    return Ok(None);
                }
            }
        }
        Ok(None)
    }

    /// The feed as a stream, which ends with [`StreamItem::Complete`] when all events were sent.
    pub(crate) fn into_stream(self) -> impl Stream<Item = Result<StreamItem, ReadError>> + Send {
        stream::try_unfold(Some(self), |feed| async move {
            let Some(mut feed) = feed else { return Ok(None) };
            match feed.next().await? {
                Some(page) => Ok(Some((StreamItem::Page(page), Some(feed)))),
                None if feed.is_cut => Ok(None),
                None => Ok(Some((StreamItem::Complete, None))),
            }
        })
    }

    /// Whether no event was found, and none will come.
    pub(crate) fn is_empty(&self) -> bool {
        let ends_here = |page: &EventPage| page.events.is_empty() && page.next <= self.query.after;
        self.is_complete() || (self.follow.is_none() && self.first.as_ref().is_some_and(ends_here))
    }

    /// All events up to this position were sent or filtered out.
    pub(crate) fn position(&self) -> Position {
        self.query.end_at.map_or(self.query.after, |end| self.query.after.min(end))
    }

    /// Whether all requested events were sent, so that no more will come.
    pub(crate) fn is_complete(&self) -> bool {
        self.query.limit == Some(0) || self.query.end_at.is_some_and(|end| self.query.after >= end)
    }

    async fn page(&self) -> Result<EventPage, ReadError> {
        let FeedQuery { tenant, filter, after, .. } = &self.query;
        let limit = self.query.page_limit();
        with_memory_retries(|| self.host.queries().further_events(tenant, filter, *after, limit, self.is_searching))
            .await
    }
}

impl FeedQuery {
    fn page_limit(&self) -> usize {
        self.limit.map_or(EVENTS_PER_PAGE, |left| left.min(EVENTS_PER_PAGE as u64) as usize)
    }
}

/// Reads a further page of a response that has begun. Retries while the host has no memory for it, since the status is
/// already sent.
pub(crate) async fn with_memory_retries<T, F: Future<Output = Result<T, ReadError>>>(
    page: impl Fn() -> F,
) -> Result<T, ReadError> {
    for _ in 0..MEMORY_PAUSES_MAX {
        match page().await {
            Err(ReadError::MemoryExhausted(_)) => tokio::time::sleep(MEMORY_PAUSE).await,
            answer => return answer,
        }
    }
    page().await
}

impl Follow {
    /// Waits for an event after `after`. No event is missed between the empty page and this wait: the position is
    /// compared with the end of that page, not with the position at the start of the wait.
    async fn wait(&mut self, after: Position) -> Woken {
        tokio::select! {
            moved = self.positions.wait_for(|position| *position > after) => match moved {
                Ok(_) => Woken::Moved,
                Err(_) => Woken::Closing,
            },
            _ = self.closing.wait_for(|closing| *closing) => Woken::Closing,
            () = tokio::time::sleep(QUIET_MAX) => Woken::Quiet,
        }
    }
}
