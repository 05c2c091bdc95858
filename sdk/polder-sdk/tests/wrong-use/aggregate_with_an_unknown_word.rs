use polder_sdk::prelude::*;

#[aggregate("order", charts = status)]
#[derive(Default)]
struct Order {
    status: u8,
}

fn main() {}
