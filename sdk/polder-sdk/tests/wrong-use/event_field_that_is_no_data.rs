use polder_sdk::prelude::*;

struct Line {
    sku: String,
}

#[derive(Event)]
enum OrderEvent {
    LinesAdded { lines: Vec<Line> },
}

fn main() {}
