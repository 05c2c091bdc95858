//! Writes what a turn of a projection changed, with the position up to which it has folded the history.

use rusqlite::{Transaction, params};

use super::rows::{Changes, StoreResult, View, ViewId};
use super::view_store::{ViewStore, bytes};
use super::{effects, parked};

/// The reason why nothing was written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error(
        "the tenant's read models would take {bytes} bytes; at most {bytes_max} are allowed (limit view_bytes_max)"
    )]
    Full { bytes: u64, bytes_max: u64 },
}

impl ViewStore {
    /// Writes documents, effects, parked events and checkpoint in one transaction. Returns the disk space of all views
    /// after it, in bytes.
    pub(crate) fn write(&self, view: &View, changes: &Changes, bytes_max: u64) -> Result<u64, WriteError> {
        let mut connection = self.writer();
        let transaction = connection.transaction()?;
        write_documents(&transaction, view.id, &changes.documents)?;
        effects::write_effects(&transaction, view, &changes.effects)?;
        changes.mended.iter().try_for_each(|at| parked::remove_parked(&transaction, view.id, at))?;
        changes.parked.iter().try_for_each(|parked| parked::write_parked(&transaction, view.id, parked))?;
        let updated = transaction
            .prepare_cached(
                "UPDATE views SET head = CASE WHEN checkpoint = ?2 THEN head ELSE ?3 END, checkpoint = ?2 WHERE id = ?1",
            )?
            .execute(params![view.id.0, changes.checkpoint.0, changes.head.map(|head| head.to_string())])?;
        // The view was dropped in the meantime, so its last turn must not be written.
        if updated == 0 {
            return Err(rusqlite::Error::StatementChangedRows(updated).into());
        }
        let bytes = bytes(&transaction)?;
        let adds = !(changes.documents.is_empty() && changes.effects.is_empty() && changes.parked.is_empty());
        if bytes > bytes_max && adds {
            return Err(WriteError::Full { bytes, bytes_max });
        }
        transaction.commit()?;
        Ok(bytes)
    }
}

fn write_documents(
    transaction: &Transaction<'_>,
    view: ViewId,
    documents: &[(String, Option<Vec<u8>>)],
) -> StoreResult<()> {
    let mut put = transaction.prepare_cached(&format!(
        "INSERT INTO documents_{0} (key, body) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET body = excluded.body",
        view.0
    ))?;
    let mut remove = transaction.prepare_cached(&format!("DELETE FROM documents_{} WHERE key = ?1", view.0))?;
    for (key, body) in documents {
        match body {
            // The sandbox has checked that this is JSON, which is UTF-8.
            Some(body) => put.execute(params![key, String::from_utf8_lossy(body)])?,
            None => remove.execute([key])?,
        };
    }
    Ok(())
}
