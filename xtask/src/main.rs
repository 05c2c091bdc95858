//! `cargo xtask …`: the tasks of people and CI in this repository. It only starts other programs and holds no logic of
//! Polder.
#![forbid(unsafe_code)]

mod bench;
mod check;
mod demo;
mod dev_build;
mod guests;
mod run;
mod setup;
mod test;
mod wasm_target;
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
    /// Set up what guests and tests need: the standard library for wasm32-unknown-unknown, a nats-server, and a Python
    /// with the NATS client.
    Setup,
    /// Show what Polder does: deployments, commands, views, and a crash in the middle of an import. Takes about a
    /// minute after the build.
    Demo(demo::Demo),
    /// Build every guest into target/wasm32-unknown-unknown/guest/.
    Guests,
    /// Run every test except the doc tests.
    Test,
    /// Measure Polder, its floors and other systems, and write tests/bench/RESULTS.md. Takes about twenty minutes after
    /// the build.
    Bench(bench::Bench),
    /// Check formatting, clippy (warnings are errors), the directions of dependencies, the structure inside crates, and
    /// the words of comments and names.
    Check,
    /// Internal: `test` makes cargo start each test program through this task.
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
