use polder_sdk::prelude::*;

#[aggregate]
#[derive(Default)]
struct Order;

fn main() {}
