//! Logs go to stderr; `POLDER_LOG` chooses what: `info`, `polder_server=debug,warn`.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

const LOG_VARIABLE: &str = "POLDER_LOG";
/// The index reports each of its files; of that only trouble is of interest.
const LOG_DEFAULT: &str = "info,fjall=warn,lsm_tree=warn";
/// An example for messages.
const LOG_EXAMPLE: &str = "info";

pub(crate) fn start() -> Result<(), anyhow::Error> {
    let wanted = std::env::var(LOG_VARIABLE).unwrap_or_else(|_| LOG_DEFAULT.to_owned());
    let filter = EnvFilter::builder().parse(&wanted).map_err(|error| {
        anyhow::anyhow!("{LOG_VARIABLE} is {wanted:?}, which cannot be read ({error}); {LOG_EXAMPLE:?} would be right")
    })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    Ok(())
}
