//! Text for people, in a form that several commands share.

pub(crate) mod revision;
pub(crate) mod times;
pub(crate) mod verdict;
