//! `polder token`: keys, and the tokens that are signed with them.

mod issue;
mod key;
mod key_registry;
mod lifetime;
mod show;

use clap::{Args, Subcommand};

use crate::failure::Outcome;
use crate::output::Output;

/// Manage access: keys that sign tokens, and the tokens.
#[derive(Args)]
pub(crate) struct Token {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Subcommand)]
enum TokenCommand {
    Key(key::Key),
    Issue(issue::Issue),
    Show(show::Show),
}

impl Token {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        match self.command {
            TokenCommand::Key(command) => command.run(output),
            TokenCommand::Issue(command) => command.run(output),
            TokenCommand::Show(command) => command.run(output),
        }
    }
}
