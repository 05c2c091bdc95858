use polder_sdk::prelude::*;

#[aggregate("order")]
#[derive(Default)]
struct Order;

#[derive(Command)]
enum OrderCommand {
    #[command(title = "submit")]
    SubmitOrder,
}

#[derive(Event)]
enum OrderEvent {
    #[event(version = 2)]
    OrderSubmitted,
}

#[derive(Rejection)]
enum OrderRejection {
    NoLines,
}

impl Aggregate for Order {
    type Command = OrderCommand;
    type Event = OrderEvent;
    type Rejection = OrderRejection;

    fn handle(&self, _: OrderCommand, _: &Context) -> Result<Vec<OrderEvent>, OrderRejection> {
        Ok(vec![OrderEvent::OrderSubmitted])
    }

    fn evolve(&mut self, _: &OrderEvent) {}
}

fn main() {}
