//! An event in the form for disintegrate: with the id of its order, by which it is found. This is what its derive would
//! generate for an enum whose every variant repeats the order's id.

use disintegrate::{
    DomainIdInfo, DomainIdSet, Event, EventInfo, EventSchema, Identifier, IdentifierType, domain_ids, ident,
};
use peers_common::orders::OrderEvent;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Recorded {
    pub(crate) order_id: String,
    #[serde(flatten)]
    pub(crate) event: OrderEvent,
}

const ORDER_ID: Identifier = ident!(#order_id);

const fn of_an_order(index: usize) -> EventInfo {
    EventInfo { name: OrderEvent::NAMES[index], domain_ids: &[&ORDER_ID] }
}

const INFOS: [EventInfo; 7] =
    [of_an_order(0), of_an_order(1), of_an_order(2), of_an_order(3), of_an_order(4), of_an_order(5), of_an_order(6)];

impl Event for Recorded {
    const SCHEMA: EventSchema = EventSchema {
        events: &OrderEvent::NAMES,
        events_info: &[&INFOS[0], &INFOS[1], &INFOS[2], &INFOS[3], &INFOS[4], &INFOS[5], &INFOS[6]],
        domain_ids: &[&DomainIdInfo { ident: ORDER_ID, type_info: IdentifierType::String }],
    };

    fn domain_ids(&self) -> DomainIdSet {
        domain_ids! { order_id: self.order_id }
    }

    fn name(&self) -> &'static str {
        self.event.name()
    }
}
