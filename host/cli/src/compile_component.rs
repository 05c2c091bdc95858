//! `polder compile-component`: the child process in which a host compiles. Not for people.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Args;
use polder_compiler::{ChildError, CompilerLimits, REFUSED_EXIT_CODE, compile_stdin};

/// Compile the component on stdin to machine code on stdout, within limits. A host starts this.
#[derive(Args)]
#[command(hide = true)]
pub(crate) struct CompileComponent {
    /// The process that started this one, and that it ends with.
    #[arg(long, value_name = "PID")]
    parent: u32,
    /// Processor time, in seconds.
    #[arg(long, value_name = "N")]
    cpu_s_max: u64,
    /// Wall time, in milliseconds. The parent watches it.
    #[arg(long, value_name = "N")]
    wall_ms_max: u64,
    /// Memory, in bytes.
    #[arg(long, value_name = "N")]
    memory_bytes_max: u64,
    /// Machine code, in bytes.
    #[arg(long, value_name = "N")]
    code_bytes_max: u64,
}

impl CompileComponent {
    pub(crate) fn run(self) -> ExitCode {
        let Self { parent, cpu_s_max, wall_ms_max, memory_bytes_max, code_bytes_max } = self;
        let limits = CompilerLimits { cpu_s_max, wall_ms_max, memory_bytes_max, code_bytes_max };
        match compile_stdin(&limits, parent) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                // The parent reads it. When it cannot be written, the exit code has to do.
                let _ = write!(std::io::stderr(), "{error}");
                match error {
                    ChildError::Refused(_) => ExitCode::from(REFUSED_EXIT_CODE),
                    _ => ExitCode::FAILURE,
                }
            }
        }
    }
}
