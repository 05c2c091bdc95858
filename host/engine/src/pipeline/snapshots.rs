//! When a state is worth saving, and saving it. A snapshot is only ever a shortcut: failing to write one is logged, no more.

use polder_core::Revision;
use polder_journal::{AggregateKey, Reader, Snapshot};
use polder_sandbox::CallError;

use super::warm::Warm;
use crate::rules::RulesInstance;

/// A state that leaves guest memory is saved when at least this many events happened since its last snapshot: folding
/// fewer costs less than reading a snapshot back saves.
const SNAPSHOT_EVENTS_MIN: u64 = 32;
/// A state in constant use is saved each so many events, so that a restart has little to fold.
const SNAPSHOT_EVENTS_HOT: u64 = 1_000;

pub(super) fn due_when_leaving(warm: &Warm) -> bool {
    unsaved(warm) >= SNAPSHOT_EVENTS_MIN
}

pub(super) fn due_in_use(warm: &Warm) -> bool {
    unsaved(warm) >= SNAPSHOT_EVENTS_HOT
}

/// Only for states that are durable: nothing may outlive the events it was made from.
///
/// # Errors
/// When the guest ended over it, and all its states with it.
pub(super) fn save(
    instance: &mut dyn RulesInstance,
    reader: &Reader,
    revision: &Revision,
    key: AggregateKey,
    warm: &mut Warm,
    state_bytes_max: u64,
) -> Result<(), CallError> {
    // Also after a failure: trying again at each command would cost more than the snapshot saves.
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

fn unsaved(warm: &Warm) -> u64 {
    warm.sequence.0.saturating_sub(warm.saved.0)
}
