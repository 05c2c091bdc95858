//! Why there is no sandbox on this machine.

/// The host cannot run guests on this machine. The operator has to fix it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    #[error("the WebAssembly engine cannot be set up: {0}")]
    Engine(String),
    #[error("the watchdog thread cannot be started")]
    Watchdog(#[source] std::io::Error),
    #[error("the limit on {limit} is not live on this engine: {found}")]
    NotLive { limit: &'static str, found: String },
}
