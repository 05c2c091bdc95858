use polder_sdk::prelude::*;

#[derive(Command)]
enum OrderCommand {
    SubmitOrder,
    #[command(name = "submit-order")]
    Submit,
}

fn main() {}
