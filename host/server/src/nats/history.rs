//! A tenant's history, as the publisher reads it.

use polder_core::translation::{LeftOut, Translation};
use polder_core::{Event, Position, TenantName};
use polder_engine::{EventFilter, Host, PublishFeed, ReadError};
use polder_nats::events::History;

#[derive(Clone)]
pub(super) struct TenantHistory {
    host: Host,
    tenant: TenantName,
    publish_feed: PublishFeed,
    id: String,
}

impl TenantHistory {
    pub(super) fn open(host: &Host, tenant: &TenantName) -> Result<Self, ReadError> {
        let (publish_feed, id) = (host.translations().publish_feed(tenant)?, host.queries().history_id(tenant)?);
        Ok(Self { host: host.clone(), tenant: tenant.clone(), publish_feed, id })
    }
}

impl History for TenantHistory {
    fn newest(&self) -> Position {
        self.publish_feed.newest()
    }

    async fn moved_beyond(&self, position: Position) -> bool {
        self.publish_feed.moved_beyond(position).await
    }

    async fn page(&self, mut after: Position) -> Result<Vec<Event>, String> {
        loop {
            let page = self
                .host
                .queries()
                .further_events(&self.tenant, &EventFilter::default(), after, usize::MAX, false)
                .await;
            let page = page.map_err(|error| error.to_string())?;
            if !page.events.is_empty() || page.next <= after {
                return Ok(page.events);
            }
            after = page.next;
        }
    }

    fn translations(&self, event: &Event) -> (Vec<Translation>, Vec<LeftOut>) {
        self.publish_feed.translate(event)
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn is_translated(&self) -> bool {
        self.publish_feed.is_translated()
    }
}
