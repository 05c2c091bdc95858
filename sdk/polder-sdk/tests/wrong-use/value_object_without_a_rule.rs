use polder_sdk::prelude::*;

#[value_object]
struct Sku(String);

fn main() {}
