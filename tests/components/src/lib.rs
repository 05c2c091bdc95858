//! Makes hostile components out of good ones. Reads no files: the caller passes the bytes of the good component. The
//! functions panic when the good component is not what they expect, because it is built in this repository.
#![forbid(unsafe_code)]

mod bombs;
mod parasite;
mod rogue;

pub use bombs::{bomb, bomb_with_long_code};
pub use parasite::{leb, section, with_parasite};
pub use rogue::with_mode;
