//! A tenant's events in order, page by page: first what is there, then, for those who follow, what comes. Knows nothing of how
//! they are written down.

use std::time::Duration;

use futures::{Stream, stream};
use polder_core::{Event, MemoryReservation, Position, TenantName};
use polder_engine::{EventFilter, EventPage, Host, ReadError};
use tokio::sync::watch;

use crate::access::Sight;
use crate::event_stream::Told;

/// The most that stands in memory for one reader. The engine ends a page earlier when its events are large.
pub(crate) const EVENTS_PER_PAGE: usize = 256;
/// After this long without an event a reader who follows gets an empty page, so that something can be sent.
const QUIET_MAX: Duration = Duration::from_secs(15);
/// When the host has no memory for a further page, it is asked for again after this pause …
pub(crate) const MEMORY_PAUSE: Duration = Duration::from_millis(500);
/// … this often; then the answer breaks off.
pub(crate) const MEMORY_PAUSES_MAX: usize = 60;

pub(crate) struct Feed {
    host: Host,
    wanted: Wanted,
    follow: Option<Follow>,
    /// Read ahead of the answer, so that a refusal still has a status.
    first: Option<EventPage>,
    /// The page before was empty, and more was to be looked at.
    is_searching: bool,
    /// The end came from outside: there may be more.
    is_cut: bool,
}

/// Events for one reader, and the memory that they take until it has them.
#[derive(Default)]
pub(crate) struct Page {
    pub(crate) events: Vec<Event>,
    pub(crate) reserved: Option<MemoryReservation>,
}

pub(crate) struct Wanted {
    pub(crate) tenant: TenantName,
    pub(crate) filter: EventFilter,
    pub(crate) sight: Sight,
    pub(crate) after: Position,
    /// The last position to be given, though it be waited for; `None`: there is no last.
    pub(crate) end_at: Option<Position>,
    /// Events still to be given; `None`: all.
    pub(crate) limit: Option<u64>,
}

pub(crate) struct Follow {
    pub(crate) positions: watch::Receiver<Position>,
    pub(crate) closing: watch::Receiver<bool>,
}

enum Woken {
    Moved,
    Quiet,
    Closing,
}

impl Feed {
    pub(crate) async fn open(host: Host, wanted: Wanted, follow: Option<Follow>) -> Result<Self, ReadError> {
        let mut feed = Self { host, wanted, follow, first: None, is_searching: false, is_cut: false };
        let Wanted { tenant, filter, after, .. } = &feed.wanted;
        feed.first = Some(feed.host.events(tenant, filter, *after, feed.wanted.page_limit()).await?);
        Ok(feed)
    }

    /// The next events; an empty page when there was none for a while; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Page>, ReadError> {
        while !self.is_complete() {
            let mut page = match self.first.take() {
                Some(page) => page,
                None => self.page().await?,
            };
            let moved = page.next > self.wanted.after;
            self.wanted.after = page.next.max(self.wanted.after);
            if let Some(end) = self.wanted.end_at {
                page.events.retain(|event| event.position <= end);
            }
            self.wanted.sight.filter(&self.wanted.tenant, &mut page.events);
            if !page.events.is_empty() {
                let given = page.events.len() as u64;
                self.wanted.limit = self.wanted.limit.map(|left| left.saturating_sub(given));
                self.is_searching = false;
                return Ok(Some(Page { events: page.events, reserved: page.reserved }));
            }
            self.is_searching = moved;
            // A page of which nothing passed is not the end.
            if moved {
                continue;
            }
            let Some(follow) = &mut self.follow else { return Ok(None) };
            match follow.wait(self.wanted.after).await {
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

    /// As a stream, which says when all is told.
    pub(crate) fn into_stream(self) -> impl Stream<Item = Result<Told, ReadError>> + Send {
        stream::try_unfold(Some(self), |feed| async move {
            let Some(mut feed) = feed else { return Ok(None) };
            match feed.next().await? {
                Some(page) => Ok(Some((Told::Page(page), Some(feed)))),
                None if feed.is_cut => Ok(None),
                None => Ok(Some((Told::Complete, None))),
            }
        })
    }

    /// Nothing was found so far, and nothing will come.
    pub(crate) fn is_empty(&self) -> bool {
        let ends_here = |page: &EventPage| page.events.is_empty() && page.next <= self.wanted.after;
        self.is_complete() || (self.follow.is_none() && self.first.as_ref().is_some_and(ends_here))
    }

    /// Everything up to here was given or passed over.
    pub(crate) fn position(&self) -> Position {
        self.wanted.end_at.map_or(self.wanted.after, |end| self.wanted.after.min(end))
    }

    /// There will never be more, as all that was wanted was given.
    pub(crate) fn is_complete(&self) -> bool {
        self.wanted.limit == Some(0) || self.wanted.end_at.is_some_and(|end| self.wanted.after >= end)
    }

    async fn page(&self) -> Result<EventPage, ReadError> {
        let Wanted { tenant, filter, after, .. } = &self.wanted;
        let limit = self.wanted.page_limit();
        with_patience(|| self.host.further_events(tenant, filter, *after, limit, self.is_searching)).await
    }
}

impl Wanted {
    fn page_limit(&self) -> usize {
        self.limit.map_or(EVENTS_PER_PAGE, |left| left.min(EVENTS_PER_PAGE as u64) as usize)
    }
}

/// A further page of an answer that has begun: a host without memory for it is asked again, as there is no status left to refuse it with.
pub(crate) async fn with_patience<T, F: Future<Output = Result<T, ReadError>>>(
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
    /// There is no gap between the page that was empty and this wait: the position that wakes us is compared with where that page
    /// ended, not with what it was when the wait began.
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
