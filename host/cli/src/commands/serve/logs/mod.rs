//! Logs go to stderr. `POLDER_LOG` filters them, as in `info` or `polder_server=debug,warn`. An entry is always one
//! line, whatever text from outside it holds, and the bytes per second are limited.

mod escaped;
mod throttled;

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt as _;

const LOG_VARIABLE: &str = "POLDER_LOG";
/// `fjall` logs each of its files. Only its warnings are of interest.
const LOG_DEFAULT: &str = "info,fjall=warn,lsm_tree=warn";
/// Example of a filter, for messages.
const LOG_EXAMPLE: &str = "info";

pub(crate) fn start() -> Result<(), anyhow::Error> {
    let filter_text = std::env::var(LOG_VARIABLE).unwrap_or_else(|_| LOG_DEFAULT.to_owned());
    let filter = EnvFilter::builder().parse(&filter_text).map_err(|error| {
        anyhow::anyhow!(
            "{LOG_VARIABLE} is {filter_text:?}, which cannot be read ({error}); {LOG_EXAMPLE:?} would be right"
        )
    })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .fmt_fields(tracing_subscriber::fmt::format::debug_fn(escaped::field).delimited(" "))
        .with_writer(throttled::Stderr::new())
        .init();
    // A panic's message may hold text from outside, with line ends. The log escapes them.
    std::panic::set_hook(Box::new(|panic| tracing::error!(target: "panic", "{panic}")));
    Ok(())
}
