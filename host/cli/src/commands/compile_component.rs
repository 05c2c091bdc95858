//! `polder compile-component`: the child process in which a host compiles. Only a host starts it.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Args;
use polder_compiler::{ChildError, CompilerLimits, REFUSED_EXIT_CODE, compile_stdin};

/// Compile the component on stdin to machine code on stdout, within limits. Only a host starts this.
#[derive(Args)]
#[command(hide = true)]
pub(crate) struct CompileComponent {
    /// The process that started this one; this one ends when that one ends.
    #[arg(long, value_name = "PID")]
    parent: u32,
    /// Limit of processor time, in seconds.
    #[arg(long, value_name = "N")]
    cpu_s_max: u64,
    /// Limit of wall time, in milliseconds. The parent enforces it.
    #[arg(long, value_name = "N")]
    wall_ms_max: u64,
    /// Limit of memory, in bytes.
    #[arg(long, value_name = "N")]
    memory_bytes_max: u64,
    /// Limit of machine code, in bytes.
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
                // The parent reads this message. If it cannot be written, the parent still gets the exit code.
                let _ = write!(std::io::stderr(), "{error}");
                match error {
                    ChildError::Refused(_) => ExitCode::from(REFUSED_EXIT_CODE),
                    _ => ExitCode::FAILURE,
                }
            }
        }
    }
}
