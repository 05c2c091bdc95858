use polder_sdk::prelude::*;

#[aggregate("Order")]
#[derive(Default)]
struct Order;

fn main() {}
