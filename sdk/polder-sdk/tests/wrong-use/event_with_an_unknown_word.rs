use polder_sdk::prelude::*;

#[derive(Event)]
enum OrderEvent {
    #[event(revision = 2)]
    OrderSubmitted,
}

fn main() {}
