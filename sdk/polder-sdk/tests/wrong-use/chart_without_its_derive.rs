use std::convert::Infallible;

use polder_sdk::prelude::*;

#[aggregate("order", chart = status)]
#[derive(Default)]
struct Order {
    status: Status,
}

#[derive(Command)]
enum OrderCommand {
    SubmitOrder,
    CancelOrder,
}

#[derive(Event)]
enum OrderEvent {
    OrderSubmitted,
    OrderCancelled,
}

impl Aggregate for Order {
    type Command = OrderCommand;
    type Event = OrderEvent;
    type Rejection = Infallible;

    fn handle(&self, _: OrderCommand, _: &Context) -> Result<Vec<OrderEvent>, Infallible> {
        Ok(vec![OrderEvent::OrderSubmitted])
    }

    fn evolve(&mut self, _: &OrderEvent) {}
}

#[data]
#[derive(Default)]
enum Status {
    #[default]
    Draft,
    Submitted,
    Cancelled,
}

fn main() {}
