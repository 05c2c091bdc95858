use polder_sdk::prelude::*;

#[aggregate("order", chart = state)]
#[derive(Default)]
struct Order {
    status: u8,
}

fn main() {}
