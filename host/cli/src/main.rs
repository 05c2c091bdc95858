//! `polder`: the command line. Each subcommand is a file of its own; this file lists them and reports their failures.
#![forbid(unsafe_code)]

mod bridge;
mod build;
mod client;
mod compile_component;
mod deploy;
mod doctor;
mod domains;
mod drain;
mod effects;
mod events;
mod examples;
mod failure;
mod folder;
mod guest;
mod import;
mod logs;
mod nats;
mod new;
mod output;
mod parked;
mod place;
mod problem;
mod revision_check;
mod revisions;
mod rollback;
mod salvage;
mod send;
mod serve;
mod state;
mod target;
mod tenant;
mod test;
mod times;
mod token;
mod verify;
mod view;
mod watch;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

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

#[derive(Subcommand)]
enum Command {
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

fn main() -> ExitCode {
    polder_memory::use_small_pages();
    let matches = examples::added_to(Arguments::command()).get_matches();
    let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let output = Output::new(arguments.json);
    let done = match arguments.command {
        Command::Serve(command) => command.run(&output),
        Command::Drain(command) => command.run(&output),
        Command::New(command) => command.run(&output),
        Command::Build(command) => command.run(&output),
        Command::Test(command) => command.run(&output),
        Command::Deploy(command) => command.run(&output),
        Command::Rollback(command) => command.run(&output),
        Command::Revisions(command) => command.run(&output),
        Command::Send(command) => command.run(&output),
        Command::State(command) => command.run(&output),
        Command::Events(command) => command.run(&output),
        Command::View(command) => command.run(&output),
        Command::Effects(command) => command.run(&output),
        Command::Parked(command) => command.run(&output),
        Command::Domains(command) => command.run(&output),
        Command::Token(command) => command.run(&output),
        Command::Tenant(command) => command.run(&output),
        Command::Bridge(command) => command.run(&output),
        Command::Import(command) => command.run(&output),
        Command::Verify(command) => command.run(&output),
        Command::Salvage(command) => command.run(&output),
        Command::Doctor(command) => command.run(&output),
        Command::CompileComponent(command) => return command.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(&output),
    }
}
