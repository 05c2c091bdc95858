//! Compiles components in child processes of the same program, one for each component. A component that attacks the
//! compiler can only use up the child's limits. Knows processes; knows nothing of tenants, queues or HTTP.
//!
//! The child reads the component from stdin, writes the machine code to stdout, and the reason of a refusal to stderr.
//! All three are files without a name, so nothing is left behind however the child ends.
#![forbid(unsafe_code)]

mod child;
mod limits;
mod parent;

pub use child::{ChildError, compile_stdin};
pub use limits::CompilerLimits;
pub use parent::ChildCompiler;

/// The hidden subcommand of the program, which calls [`compile_stdin`].
pub const SUBCOMMAND: &str = "compile-component";
/// Exit code of a child that refused the component. The reason is on stderr.
pub const REFUSED_EXIT_CODE: u8 = 3;
