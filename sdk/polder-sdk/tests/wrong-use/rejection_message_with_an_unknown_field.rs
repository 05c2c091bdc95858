use polder_sdk::prelude::*;

#[derive(Rejection)]
enum OrderRejection {
    #[rejection("at most {lines} lines")]
    TooManyLines { lines_max: usize },
}

fn main() {}
