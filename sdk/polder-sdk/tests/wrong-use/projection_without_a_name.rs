use polder_sdk::prelude::*;

#[projection]
struct OrderSummary {
    total: u64,
}

fn main() {}
