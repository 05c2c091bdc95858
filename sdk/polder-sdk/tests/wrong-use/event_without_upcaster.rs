use polder_sdk::prelude::*;

#[derive(Event)]
enum OrderEvent {
    #[event(version = 3, upcast(1 = from_the_first))]
    OrderSubmitted { total: u64 },
}

#[data]
struct OrderSubmitted1 {}

fn from_the_first(_: OrderSubmitted1) -> OrderEvent {
    OrderEvent::OrderSubmitted { total: 0 }
}

fn main() {}
