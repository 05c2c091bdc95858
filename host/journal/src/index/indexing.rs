//! Adds a frame that was read to the index: all records that can be read with the keys at hand.

use std::collections::BTreeSet;

use polder_core::TenantName;

use super::Index;
use super::entry::{DurableFrame, IndexedRecord, RecordLocation};
use crate::format::frame::Frame;
use crate::format::opened_frame::{OpenedFrame, Record};
use crate::keyring::Keyring;
use crate::lookup_keys::CommandKey;

/// What was added to the index from one frame.
pub(crate) struct Indexed {
    /// Tenants with newly indexed records, each once.
    pub(crate) tenants: Vec<TenantName>,
    pub(crate) events: u64,
    /// Tenants with unreadable records: their keys are missing or cannot be used.
    pub(crate) sealed: BTreeSet<TenantName>,
}

/// Adds all readable records of a frame to the index.
pub(crate) fn index_frame(
    index: &Index,
    keys: &Keyring,
    frame: &Frame<'_>,
    durable: &DurableFrame,
) -> Result<Indexed, Box<dyn std::error::Error>> {
    let (mut sealed, mut events) = (BTreeSet::new(), 0);
    let mut tenants: Vec<TenantName> = Vec::new();
    let mut views = Vec::with_capacity(frame.header.record_count as usize);
    let opened = OpenedFrame::new(frame, keys)?;
    for record in opened.records() {
        let (offset, view) = match record? {
            (offset, Record::Readable(view)) => (offset, view),
            (_, Record::Sealed { tenant }) => {
                let tenant = TenantName::new(tenant)?;
                keys.missed(&tenant);
                sealed.insert(tenant);
                continue;
            }
        };
        let known = tenants.iter().position(|tenant| tenant.as_str() == view.tenant());
        let tenant = match known {
            Some(tenant) => tenant,
            None => {
                tenants.push(TenantName::new(view.tenant())?);
                tenants.len() - 1
            }
        };
        events += u64::from(view.event_count());
        views.push((offset, view, tenant));
    }
    let records = views.iter().map(|(offset, view, tenant)| {
        let aggregate = view.aggregate_key();
        IndexedRecord {
            tenant: &tenants[*tenant],
            aggregate,
            command: CommandKey::of_texts(aggregate, view.command_id()),
            sequence_before: view.sequence_before(),
            event_count: view.event_count(),
            position_before: view.position_before(),
            location: RecordLocation { address: durable.address + *offset as u64, length: view.bytes().len() as u32 },
        }
    });
    index.apply(durable, records, &sealed);
    Ok(Indexed { tenants, events, sealed })
}
