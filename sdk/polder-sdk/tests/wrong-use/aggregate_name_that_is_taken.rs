use polder_sdk::prelude::*;

#[aggregate("events")]
#[derive(Default)]
struct Events;

fn main() {}
