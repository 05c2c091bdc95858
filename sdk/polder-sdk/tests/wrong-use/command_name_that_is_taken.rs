use polder_sdk::prelude::*;

#[derive(Command)]
enum OrderCommand {
    SubmitOrder,
    Events,
    #[command(name = "query")]
    Ask,
}

fn main() {}
