use polder_sdk::prelude::*;

#[value_object(range = 1..)]
struct Quantity(u32);

fn main() {}
