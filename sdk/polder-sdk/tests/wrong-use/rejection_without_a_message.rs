use polder_sdk::prelude::*;

#[derive(Rejection)]
enum OrderRejection {
    NoLines,
}

fn main() {}
