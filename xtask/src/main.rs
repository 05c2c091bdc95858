//! `cargo xtask …`: what people and CI do with this repository. Only starts other programs; holds no logic of Polder.
#![forbid(unsafe_code)]

mod bench;
mod check;
mod demo;
mod guests;
mod run;
mod setup;
mod test;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Project automation for Polder")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Make sure of what guests and tests need: the standard library for wasm32-unknown-unknown, a nats-server, a Python with NATS's client.
    Setup,
    /// Show what Polder does: deploy, commands, views, a crash in the middle of an import. Takes about a minute after the build.
    Demo(demo::Demo),
    /// Build every guest into target/wasm32-unknown-unknown/guest/.
    Guests,
    /// Run every test but the doc tests.
    Test,
    /// Measure everything beside its floors and peers, and write tests/bench/RESULTS.md. Takes about twenty minutes after the build.
    Bench(bench::Bench),
    /// Formatting, clippy with warnings denied, and who may depend on whom.
    Check,
    /// Not for people: what `test` has cargo start each test program through.
    #[command(hide = true, name = test::RUNNER_TASK)]
    RunTest {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        program: Vec<std::ffi::OsString>,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().task {
        Task::Setup => setup::setup(),
        Task::Demo(options) => demo::demo(&options),
        Task::Guests => guests::build().map(drop),
        Task::Test => test::test(),
        Task::Bench(options) => bench::bench(&options),
        Task::Check => check::check(),
        Task::RunTest { program } => return test::run_test_program(&program),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
