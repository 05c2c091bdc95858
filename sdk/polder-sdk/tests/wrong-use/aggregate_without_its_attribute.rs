use polder_sdk::prelude::*;

#[data]
#[derive(Default)]
struct Order;

#[derive(Command)]
enum OrderCommand {
    SubmitOrder,
}

#[derive(Event)]
enum OrderEvent {
    OrderSubmitted,
}

impl Aggregate for Order {
    type Command = OrderCommand;
    type Event = OrderEvent;
    type Rejection = std::convert::Infallible;

    fn handle(&self, _: OrderCommand, _: &Context) -> Result<Vec<OrderEvent>, std::convert::Infallible> {
        Ok(vec![OrderEvent::OrderSubmitted])
    }

    fn evolve(&mut self, _: &OrderEvent) {}
}

fn main() {}
