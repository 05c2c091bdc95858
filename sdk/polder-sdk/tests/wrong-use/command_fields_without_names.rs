use polder_sdk::prelude::*;

#[derive(Command)]
enum OrderCommand {
    AddLine(String, u32),
}

fn main() {}
