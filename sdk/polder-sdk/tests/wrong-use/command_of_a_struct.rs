use polder_sdk::prelude::*;

#[derive(Command)]
struct SubmitOrder;

fn main() {}
