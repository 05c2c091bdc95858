use polder_sdk::prelude::*;

#[derive(Event)]
enum OrderEvent {
    #[event(upcast(1 = from_the_first))]
    OrderSubmitted { total: u64 },
}

fn main() {}
