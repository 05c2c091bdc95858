//! `polder drain`: makes a host release the journals that it shares with other hosts.

use clap::Args;
use reqwest::Method;
use serde_json::Value;

use crate::arguments::target::Connection;
use crate::client::{Client, block_on};
use crate::failure::Outcome;
use crate::output::Output;

/// Make a host release the journals that it shares with other hosts, for example before it is stopped. The others take
/// over at once. The host still answers, and owns no journal until it is started again.
#[derive(Args)]
pub(crate) struct Drain {
    #[command(flatten)]
    connection: Connection,
}

impl Drain {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let client = Client::for_host(&self.connection, "drain")?;
        let drained: Value = block_on(client.read(client.request(Method::POST, &[])))?;
        output.answer(&drained, || "drained: other hosts can own its journals".to_owned())
    }
}
