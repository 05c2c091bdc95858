//! Which events a reader sees. What it does not see is left out without a word, and positions stay as they are.

use std::sync::Arc;

use polder_core::access::Grant;
use polder_core::{Event, TenantName, subject};

pub(crate) enum Sight {
    All,
    Some(Arc<Grant>),
}

impl Sight {
    pub(crate) fn filter(&self, tenant: &TenantName, events: &mut Vec<Event>) {
        let Self::Some(grant) = self else { return };
        events.retain(|event| {
            let Event { domain, aggregate, name, version, .. } = event;
            grant.may_subscribe(&subject::event(tenant, domain, aggregate, name, *version))
        });
    }
}
