//! Numbers that are sent, recorded, applied and shown are the same, bit for bit, and other numbers are refused. A
//! request that exceeds a limit affects only its caller. The tests use the guest `vault`.

mod exact;
mod finite;
mod in_service;
mod overflow;
mod too_much;
mod worn_out;

use std::path::Path;

use crate::engine::door::Door;

async fn vaults(folder: &Path) -> Door {
    Door::open(folder, "vault", "vault").await
}
