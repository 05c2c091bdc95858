//! Notes for the host's log. They answer nothing, so a domain learns nothing by them.

/// How grave a note is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Something is broken.
    Error = 1,
    /// Something is odd.
    Warning = 2,
    /// Something happened.
    Information = 3,
    /// For whoever looks closely.
    Detail = 4,
}

/// Puts `message` into the host's log, which keeps a bounded number of bytes per call. Outside a component it goes to standard error.
pub fn note(level: Level, message: &str) {
    #[cfg(target_arch = "wasm32")]
    crate::__private::glue::note(level as u8, message);
    #[cfg(not(target_arch = "wasm32"))]
    eprintln!("{level:?}: {message}");
}
