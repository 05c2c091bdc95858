//! Notes for the host's log. They return nothing, so a domain gets no information through them.

/// The severity of a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Something is broken.
    Error = 1,
    /// Something is unusual.
    Warning = 2,
    /// Something happened.
    Information = 3,
    /// Details for debugging.
    Detail = 4,
}

/// Writes `message` to the host's log, which keeps a bounded number of bytes per call. Outside a component it goes to
/// standard error.
pub fn note(level: Level, message: &str) {
    #[cfg(target_arch = "wasm32")]
    crate::__private::glue::note(level as u8, message);
    #[cfg(not(target_arch = "wasm32"))]
    eprintln!("{level:?}: {message}");
}
