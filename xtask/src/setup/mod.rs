//! Sets up what this repository's tests and guests need beyond Rust. Quiet when nothing is missing, safe to interrupt,
//! and safe to run twice at once.

mod build_std;
mod debian;
mod nats_server;
mod probe;
mod python;
mod wasm;

use anyhow::Result;

pub(crate) use nats_server::setup as nats_server;
pub(crate) use python::setup as python;
pub(crate) use wasm::setup as wasm;

pub(crate) fn setup() -> Result<()> {
    wasm()?;
    nats_server()?;
    python()
}
