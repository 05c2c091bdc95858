//! A tenant's history as publishing reads it.

use polder_bridge::events::History;
use polder_core::{Event, Position, TenantName};
use polder_engine::{EventFilter, Host, ReadError};
use tokio::sync::watch;

#[derive(Clone)]
pub(super) struct TenantHistory {
    host: Host,
    tenant: TenantName,
    positions: watch::Receiver<Position>,
}

impl TenantHistory {
    pub(super) fn open(host: &Host, tenant: &TenantName) -> Result<Self, ReadError> {
        Ok(Self { host: host.clone(), tenant: tenant.clone(), positions: host.positions(tenant)? })
    }
}

impl History for TenantHistory {
    fn newest(&self) -> Position {
        *self.positions.borrow()
    }

    async fn moved_beyond(&self, position: Position) -> bool {
        self.positions.clone().wait_for(|newest| *newest > position).await.is_ok()
    }

    async fn page(&self, mut after: Position) -> Result<Vec<Event>, String> {
        loop {
            let page = self.host.events(&self.tenant, &EventFilter::default(), after, usize::MAX).await;
            let page = page.map_err(|error| error.to_string())?;
            if !page.events.is_empty() || page.next <= after {
                return Ok(page.events);
            }
            after = page.next;
        }
    }
}
