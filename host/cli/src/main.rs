//! `polder`: the command line. It reads the arguments and runs one of the commands.
#![forbid(unsafe_code)]

mod arguments;
mod client;
mod commands;
mod data_folder;
mod domain_crate;
mod failure;
mod output;
mod text;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser};

use crate::commands::{Command, examples};
use crate::output::Output;

/// A host for business rules in WebAssembly. Events are the truth, and nothing is acknowledged that is not on disk.
#[derive(Parser)]
#[command(name = "polder", version, propagate_version = true)]
struct Arguments {
    /// Print JSON, for programs.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    polder_memory::use_small_pages();
    let matches = examples::added_to(Arguments::command()).get_matches();
    let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    arguments.command.run(&Output::new(arguments.json))
}
