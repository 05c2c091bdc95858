use polder_sdk::prelude::*;

#[derive(Event)]
enum OrderEvent {
    OrderSubmitted,
    #[event(name = "order-submitted")]
    OrderSubmittedAgain,
}

fn main() {}
