use polder_sdk::prelude::*;

#[value_object(length = 1..=32)]
struct Sku(String);

fn main() {
    let _ = Sku(String::new());
}
