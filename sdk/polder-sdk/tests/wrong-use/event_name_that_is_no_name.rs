use polder_sdk::prelude::*;

#[derive(Event)]
enum OrderEvent {
    #[event(name = "OrderSubmitted")]
    OrderSubmitted,
}

fn main() {}
