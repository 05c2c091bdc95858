//! Writes snapshots. A snapshot is only a shortcut: a failure to write one is logged
//! and otherwise ignored.

use polder_core::Revision;
use polder_journal::{AggregateKey, Reader, Snapshot};
use polder_sandbox::CallError;

use super::warm::Warm;
use crate::tenancy::RulesInstance;

/// Writes a snapshot. The state must be durable: a snapshot must not contain events that are lost in a crash.
///
/// # Errors
/// Returns an error when the guest failed and all its states are lost.
pub(super) fn save(
    instance: &mut dyn RulesInstance,
    reader: &Reader,
    revision: &Revision,
    key: AggregateKey,
    warm: &mut Warm,
    state_bytes_max: u64,
) -> Result<(), CallError> {
    // Set after a failure too: a new attempt at each command would cost more than the snapshot saves.
    warm.saved = warm.sequence;
    let state = match instance.save(&warm.state) {
        Ok(state) if state.len() as u64 <= state_bytes_max => state,
        Ok(state) => {
            tracing::warn!(bytes = state.len(), state_bytes_max, "a state is too large for a snapshot");
            return Ok(());
        }
        Err(error) => {
            tracing::warn!(%error, "a state could not be saved for a snapshot");
            return if error.instance_lost { Err(error) } else { Ok(()) };
        }
    };
    let snapshot = Snapshot { sequence: warm.sequence, head: warm.head, state };
    if let Err(error) = reader.put_snapshot(key, revision, &snapshot) {
        tracing::warn!(%error, "a snapshot could not be written");
    }
    Ok(())
}
