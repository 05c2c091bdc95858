//! `polder token`: keys, and the tokens that are signed with them.

mod issue;
mod key;
mod lifetime;
mod registry;
mod show;

use clap::{Args, Subcommand};

use crate::failure::Outcome;
use crate::output::Output;

/// Manage access: keys that sign tokens, and the tokens.
#[derive(Args)]
pub(crate) struct Token {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Key(key::Key),
    Issue(issue::Issue),
    Show(show::Show),
}

impl Token {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        match self.what {
            What::Key(command) => command.run(output),
            What::Issue(command) => command.run(output),
            What::Show(command) => command.run(output),
        }
    }
}
