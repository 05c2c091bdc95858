//! The events that a reader may see. Others are left out, and the positions of the rest do not change.

use std::sync::Arc;

use polder_core::access::Grant;
use polder_core::{Event, TenantName, subject};

pub(crate) enum VisibleEvents {
    All,
    Some(Arc<Grant>),
}

impl VisibleEvents {
    pub(crate) fn filter(&self, tenant: &TenantName, events: &mut Vec<Event>) {
        let Self::Some(grant) = self else { return };
        events.retain(|event| {
            let Event { domain, aggregate, name, version, .. } = event;
            grant.may_subscribe(&subject::event(tenant, domain, aggregate, name, *version))
        });
    }
}
