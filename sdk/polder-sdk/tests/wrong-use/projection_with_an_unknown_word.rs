use polder_sdk::prelude::*;

#[projection("order-summary", by_aggregate)]
struct OrderSummary {
    lines: u64,
}

fn main() {}
