//! One command as a decision, and the order that it is based on.

use disintegrate::{Decision, EventId, StateMutate, StateQuery, StreamQuery, query};
use peers_common::orders::{Order, OrderCommand, Refused};
use serde::{Deserialize, Serialize};

use crate::recorded::Recorded;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OrderState {
    id: String,
    order: Order,
}

impl OrderState {
    pub(crate) fn new(id: &str) -> Self {
        Self { id: id.to_owned(), order: Order::default() }
    }
}

impl StateQuery for OrderState {
    const NAME: &'static str = "order";
    type Event = Recorded;

    fn query<ID: EventId>(&self) -> StreamQuery<ID, Recorded> {
        query!(Recorded; order_id == self.id)
    }
}

impl StateMutate for OrderState {
    fn mutate(&mut self, event: Recorded) {
        self.order.apply(event.event);
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Placed {
    pub(crate) order: OrderState,
    pub(crate) command: OrderCommand,
}

impl Decision for Placed {
    type Event = Recorded;
    type StateQuery = OrderState;
    type Error = Refused;

    fn state_query(&self) -> OrderState {
        self.order.clone()
    }

    fn process(&self, state: &OrderState) -> Result<Vec<Recorded>, Refused> {
        let event = state.order.decide(&self.command)?;
        Ok(vec![Recorded { order_id: state.id.clone(), event }])
    }
}
