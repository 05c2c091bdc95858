//! A tenant's events in order, page by page: first what is there, then, for those who follow, what comes. Knows nothing of how
//! they are written down.

use std::time::Duration;

use polder_core::{Event, Position, TenantName};
use polder_engine::{EventFilter, EventPage, Host, ReadError};
use tokio::sync::watch;

use crate::access::Sight;

/// The most that stands in memory for one reader.
pub(crate) const EVENTS_PER_PAGE: usize = 256;
/// After this long without an event a reader who follows gets an empty page, so that something can be sent.
const QUIET_MAX: Duration = Duration::from_secs(15);

pub(crate) struct Feed {
    host: Host,
    wanted: Wanted,
    follow: Option<Follow>,
    /// Read ahead of the answer, so that a refusal still has a status.
    first: Option<EventPage>,
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
        let mut feed = Self { host, wanted, follow, first: None };
        feed.first = Some(feed.page().await?);
        Ok(feed)
    }

    /// The next events; an empty page when there was none for a while; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Event>>, ReadError> {
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
                return Ok(Some(page.events));
            }
            // A page of which nothing passed is not the end.
            if moved {
                continue;
            }
            let Some(follow) = &mut self.follow else { return Ok(None) };
            match follow.wait(self.wanted.after).await {
                Woken::Moved => {}
                Woken::Quiet => return Ok(Some(Vec::new())),
                Woken::Closing => return Ok(None),
            }
        }
        Ok(None)
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
        let Wanted { tenant, filter, after, limit, .. } = &self.wanted;
        let limit = limit.map_or(EVENTS_PER_PAGE, |left| left.min(EVENTS_PER_PAGE as u64) as usize);
        self.host.events(tenant, filter, *after, limit).await
    }
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
