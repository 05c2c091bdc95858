//! The subcommands, in the order of `polder --help`. Each is a file or a folder of its own.

mod bridge;
mod build;
mod compile_component;
mod deploy;
mod doctor;
mod domains;
mod drain;
mod effects;
mod events;
pub(crate) mod examples;
mod import;
mod new;
mod parked;
mod revision_check;
mod revisions;
mod rollback;
mod salvage;
mod send;
mod serve;
mod state;
mod tenant;
mod test;
mod token;
mod verify;
mod view;

use std::process::ExitCode;

use clap::Subcommand;

use crate::output::Output;

#[derive(Subcommand)]
pub(crate) enum Command {
    Serve(serve::Serve),
    Drain(drain::Drain),
    New(new::New),
    Build(build::Build),
    Test(test::Test),
    Deploy(deploy::Deploy),
    Rollback(rollback::Rollback),
    Revisions(revisions::Revisions),
    Send(send::Send),
    State(state::State),
    Events(events::Events),
    View(view::View),
    Effects(effects::Effects),
    Parked(parked::Parked),
    Domains(domains::Domains),
    Token(token::Token),
    Tenant(tenant::Tenant),
    Bridge(bridge::Bridge),
    Import(import::Import),
    Verify(verify::Verify),
    Salvage(salvage::Salvage),
    Doctor(doctor::Doctor),
    CompileComponent(compile_component::CompileComponent),
}

impl Command {
    /// Runs the command, and reports its failure. Returns the exit code.
    pub(crate) fn run(self, output: &Output) -> ExitCode {
        let outcome = match self {
            Self::Serve(command) => command.run(output),
            Self::Drain(command) => command.run(output),
            Self::New(command) => command.run(output),
            Self::Build(command) => command.run(output),
            Self::Test(command) => command.run(output),
            Self::Deploy(command) => command.run(output),
            Self::Rollback(command) => command.run(output),
            Self::Revisions(command) => command.run(output),
            Self::Send(command) => command.run(output),
            Self::State(command) => command.run(output),
            Self::Events(command) => command.run(output),
            Self::View(command) => command.run(output),
            Self::Effects(command) => command.run(output),
            Self::Parked(command) => command.run(output),
            Self::Domains(command) => command.run(output),
            Self::Token(command) => command.run(output),
            Self::Tenant(command) => command.run(output),
            Self::Bridge(command) => command.run(output),
            Self::Import(command) => command.run(output),
            Self::Verify(command) => command.run(output),
            Self::Salvage(command) => command.run(output),
            Self::Doctor(command) => command.run(output),
            Self::CompileComponent(command) => return command.run(),
        };
        match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => output.failure(failure),
        }
    }
}
