use polder_sdk::prelude::*;

struct Line {
    sku: String,
}

#[derive(Command)]
enum OrderCommand {
    AddLine { line: Line },
}

fn main() {}
