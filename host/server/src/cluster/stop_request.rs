//! What the threads of a host are asked to do before it ends.

#[derive(Debug, Clone, Default)]
pub(super) struct StopRequest {
    /// The host releases its journals and takes none.
    pub(super) is_draining: bool,
    /// The threads end.
    pub(super) is_stopping: bool,
}
