//! Arguments that several commands share.

pub(crate) mod addresses;
pub(crate) mod nats;
pub(crate) mod target;
