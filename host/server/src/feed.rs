//! A tenant's events in order, page by page: first what is there, then, for those who follow, what comes. Knows nothing of how
//! they are written down.

use std::time::Duration;

use polder_core::{Event, Position, TenantName};
use polder_engine::{EventFilter, EventPage, Host, ReadError};
use tokio::sync::watch;

/// The most that stands in memory for one reader.
pub(crate) const EVENTS_PER_PAGE: usize = 256;
/// After this long without an event a reader who follows gets an empty page, so that something can be sent.
const QUIET_MAX: Duration = Duration::from_secs(15);

pub(crate) struct Feed {
    host: Host,
    tenant: TenantName,
    filter: EventFilter,
    after: Position,
    /// Events still to be given.
    left: u64,
    follow: Option<Follow>,
    /// Read ahead of the answer, so that a refusal still has a status.
    first: Option<EventPage>,
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
    pub(crate) async fn open(
        host: Host,
        tenant: TenantName,
        filter: EventFilter,
        after: Position,
        limit: Option<u64>,
        follow: Option<Follow>,
    ) -> Result<Self, ReadError> {
        let mut feed = Self { host, tenant, filter, after, left: limit.unwrap_or(u64::MAX), follow, first: None };
        feed.first = Some(feed.page().await?);
        Ok(feed)
    }

    /// The next events; an empty page when there was none for a while; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Event>>, ReadError> {
        while self.left > 0 {
            let page = match self.first.take() {
                Some(page) => page,
                None => self.page().await?,
            };
            self.after = page.next.max(self.after);
            if !page.events.is_empty() {
                self.left = self.left.saturating_sub(page.events.len() as u64);
                return Ok(Some(page.events));
            }
            let Some(follow) = &mut self.follow else { return Ok(None) };
            match follow.wait(self.after).await {
                Woken::Moved => {}
                Woken::Quiet => return Ok(Some(Vec::new())),
                Woken::Closing => return Ok(None),
            }
        }
        Ok(None)
    }

    async fn page(&self) -> Result<EventPage, ReadError> {
        let limit = self.left.min(EVENTS_PER_PAGE as u64) as usize;
        self.host.events(&self.tenant, &self.filter, self.after, limit).await
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
