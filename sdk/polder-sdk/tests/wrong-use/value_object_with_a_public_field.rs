use polder_sdk::prelude::*;

#[value_object(length = 1..=32)]
struct Sku(pub String);

fn main() {}
