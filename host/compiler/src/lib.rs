//! Compiles components in a child process of the same program, one for each component. Whatever a component does to the compiler costs the
//! child its limits and nothing else. Knows processes; knows nothing of tenants, queues or HTTP.
//!
//! The child reads the component from stdin, writes the machine code to stdout, and a refusal to stderr. All three are files without a name,
//! so nothing is left behind however it ends.
#![forbid(unsafe_code)]

mod child;
mod limits;
mod parent;

pub use child::{ChildError, compile_stdin};
pub use limits::CompilerLimits;
pub use parent::ChildCompiler;

/// The hidden subcommand of the program that calls [`compile_stdin`].
pub const SUBCOMMAND: &str = "compile-component";
/// Exit code of a child whose component is refused: the reason is on stderr.
pub const REFUSED_EXIT_CODE: u8 = 3;
