//! Why bytes are not of this format, sorted by what the caller can do next.

/// Bytes could not be read, or values could not be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FormatError {
    /// The magic number is missing, so nothing else of the bytes can be judged.
    #[error("no frame begins here")]
    NoFrame,
    /// The bytes end too early. More bytes may make them whole.
    #[error("{0} is cut short")]
    CutShort(&'static str),
    /// A checksum does not match: the bytes are damaged, or were not written completely.
    #[error("{0} does not match the bytes")]
    Mismatch(&'static str),
    /// The frame is meant for readers of this format and later ones. Use a newer program.
    #[error("the frame needs a reader of format {0}; this reader knows format 2")]
    NewerReader(u16),
    /// The bytes are intact, but use something that this reader does not know and must not pass over. Use a newer
    /// program.
    #[error("{what} {number} is not known to this reader")]
    Unknown { what: &'static str, number: u64 },
    /// A size or a count is beyond a limit of the format.
    #[error("{what} is {value}, and at most {max} is allowed")]
    Limit { what: &'static str, value: u64, max: u64 },
    /// The bytes contradict the format or each other.
    #[error("{0}")]
    Malformed(&'static str),
}

/// Checks that a number is within a limit.
pub(crate) fn within(what: &'static str, value: u64, max: u64) -> Result<(), FormatError> {
    if value <= max { Ok(()) } else { Err(FormatError::Limit { what, value, max }) }
}

/// Checks that two statements of the bytes agree.
pub(crate) fn ensure(holds: bool, otherwise: &'static str) -> Result<(), FormatError> {
    if holds { Ok(()) } else { Err(FormatError::Malformed(otherwise)) }
}
