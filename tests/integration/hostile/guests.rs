//! The built guests, and hostile components that are made out of them.

use polder_tests::guest_file;

pub(crate) use polder_test_components::{bomb, leb, section};

pub(crate) fn good(name: &str) -> Vec<u8> {
    std::fs::read(guest_file(name)).expect("a guest can be read")
}

/// `rogue` with its mode overwritten, such as `start-loops`.
pub(crate) fn rogue(mode: &str) -> Vec<u8> {
    polder_test_components::with_mode(&good("rogue"), mode)
}

/// `rogue` with a second core module, which is instantiated together with the domain.
pub(crate) fn with_parasite(module: &str) -> Vec<u8> {
    polder_test_components::with_parasite(&good("rogue"), module)
}
