//! The role of this host for one journal.

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Role {
    /// It owns the journal.
    Leading,
    /// It takes no more commands, but other hosts cannot own the journal yet.
    Releasing,
    /// It follows the owner. `None`: no host owns the journal, as far as this host knows.
    Following { owner: Option<String> },
    /// It can neither follow nor lead any more. Its data can still be read.
    Broken(String),
}
