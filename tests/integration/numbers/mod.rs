//! What is sent, recorded, folded and shown is the same, bit for bit; what cannot be recorded so is refused; and what one caller asks too
//! much of is that caller's affair. With the guest `vault`.

mod exact;
mod finite;
mod overflow;
mod too_much;
mod worn_out;

use std::path::Path;

use crate::engine::door::Door;

async fn vaults(folder: &Path) -> Door {
    Door::open(folder, "vault", "vault").await
}
