//! `polder-bench`: measures Polder on this machine. It is not part of the product.
#![forbid(unsafe_code)]

mod components;
mod figures;
mod floors;
mod load;
mod measurements;
mod options;
mod output;
mod processes;
mod rig;

use clap::Parser;

use crate::measurements::Measurement;
use crate::output::Output;

/// Measure this machine; every figure stands beside its floor from the same run.
#[derive(Parser)]
#[command(
    name = "polder-bench",
    version,
    after_help = "Examples:\n  polder-bench commands\n  polder-bench fill --data data"
)]
struct Arguments {
    /// Print JSON, for programs.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    measurement: Measurement,
}

fn main() -> anyhow::Result<()> {
    polder_memory::use_small_pages();
    let arguments = Arguments::parse();
    arguments.measurement.run(&Output::new(arguments.json))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_help_explains_every_argument() {
        let mut command = Arguments::command();
        command.build();
        for measurement in command.get_subcommands().filter(|command| command.get_name() != "help") {
            for argument in measurement.get_arguments() {
                assert!(argument.get_help().is_some(), "{} {}", measurement.get_name(), argument.get_id());
            }
        }
    }
}
