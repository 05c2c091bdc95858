//! A tenant's read models in SQLite. Documents and checkpoint always change in one transaction. Knows SQL, but neither
//! guests nor the journal.

mod effects;
mod parked;
mod parked_changes;
mod schema;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use polder_core::{ContentId, DomainName, Position, ProjectionName, Revision};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

pub(crate) use effects::read_effects;
pub(crate) use parked::{Line, Parked, parked_events, set_aside};
pub(crate) use schema::is_damage;
use schema::{SCHEMA_VERSION, create, open_reader, open_writer};

/// Idle connections kept for readers.
const READERS_KEPT_MAX: usize = 2;
/// SQLite instructions between two checks of the time.
const INSTRUCTIONS_PER_CHECK: i32 = 10_000;

/// Identifies the documents of one projection as built by one revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ViewId(pub(crate) i64);

#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) id: ViewId,
    pub(crate) domain: DomainName,
    pub(crate) projection: ProjectionName,
    pub(crate) revision: Revision,
    pub(crate) checkpoint: Position,
    /// Content id of the event at the checkpoint, if known.
    pub(crate) head: Option<ContentId>,
    pub(crate) live: bool,
    /// Whether the view has ever folded the whole history.
    pub(crate) built: bool,
}

/// Changes of one turn of a projection.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Key and content of changed documents; `None` for a removed document.
    pub(crate) documents: Vec<(String, Option<Vec<u8>>)>,
    pub(crate) effects: Vec<NewEffect>,
    pub(crate) parked: Vec<Parked>,
    /// Parked events that are applied now.
    pub(crate) mended: Vec<(Position, String)>,
    pub(crate) checkpoint: Position,
    /// Content id of the event at the checkpoint. `None` if it is unknown, or if the checkpoint does not change.
    pub(crate) head: Option<ContentId>,
}

#[derive(Debug, Clone)]
pub(crate) struct NewEffect {
    /// Position of the event that caused the effect.
    pub(crate) position: u64,
    /// Key of the document.
    pub(crate) document: String,
    /// Number of the effect among those of one event on one document.
    pub(crate) ordinal: u32,
    pub(crate) kind: String,
    pub(crate) target: String,
    pub(crate) key: String,
    pub(crate) payload: String,
}

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

/// The reason why a tenant's read models cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenStoreError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error("{} was written by another version of polder (format {found}, this one reads {SCHEMA_VERSION})", path.display())]
    Version { path: PathBuf, found: i64 },
}

impl OpenStoreError {
    /// Whether the file must be rebuilt.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::Sqlite(error) => is_damage(error),
            Self::Version { .. } => true,
        }
    }
}

pub(crate) type StoreResult<T> = Result<T, rusqlite::Error>;

pub(crate) struct ViewStore {
    path: PathBuf,
    /// Inode of the file when it was opened.
    inode: u64,
    writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
}

impl ViewStore {
    pub(crate) fn open(path: &Path) -> Result<Self, OpenStoreError> {
        let mut writer = open_writer(path)?;
        match writer.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))? {
            SCHEMA_VERSION => {}
            0 => create(&mut writer)?,
            found => return Err(OpenStoreError::Version { path: path.to_owned(), found }),
        }
        let inode = inode_of(path);
        Ok(Self { path: path.to_owned(), inode, writer: Mutex::new(writer), readers: Mutex::default() })
    }

    /// Whether the file was removed or replaced while it is open. Then neither readers nor the next start see what is
    /// written.
    pub(crate) fn is_gone(&self) -> bool {
        inode_of(&self.path) != self.inode
    }

    /// Disk space of all views, in bytes.
    pub(crate) fn bytes(&self) -> StoreResult<u64> {
        bytes(&self.writer())
    }

    pub(crate) fn views(&self) -> StoreResult<Vec<View>> {
        let connection = self.writer();
        let mut statement = connection
            .prepare("SELECT id, domain, projection, revision, checkpoint, live, head, built FROM views ORDER BY id")?;
        statement.query_map([], view_of)?.collect()
    }

    /// The view of a projection as built by a revision. It is created if it does not exist, and is live if it is the
    /// projection's first.
    pub(crate) fn view(
        &self,
        domain: &DomainName,
        projection: &ProjectionName,
        revision: Revision,
    ) -> StoreResult<View> {
        let mut connection = self.writer();
        let transaction = connection.transaction()?;
        transaction.execute(
            "INSERT INTO views (domain, projection, revision, live, late)
             SELECT ?1, ?2, ?3, NOT EXISTS (SELECT 1 FROM views WHERE domain = ?1 AND projection = ?2),
                EXISTS (SELECT 1 FROM views WHERE domain = ?1 AND built = 1)
             ON CONFLICT DO NOTHING",
            params![domain.as_str(), projection.as_str(), revision.to_string()],
        )?;
        let view = transaction.query_row(
            "SELECT id, domain, projection, revision, checkpoint, live, head, built FROM views
             WHERE domain = ?1 AND projection = ?2 AND revision = ?3",
            params![domain.as_str(), projection.as_str(), revision.to_string()],
            view_of,
        )?;
        transaction.execute_batch(&format!(
            "CREATE TABLE IF NOT EXISTS documents_{} (key TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID",
            view.id.0
        ))?;
        transaction.commit()?;
        Ok(view)
    }

    pub(crate) fn document(&self, view: ViewId, key: &str) -> StoreResult<Option<Vec<u8>>> {
        let connection = self.writer();
        let mut statement =
            connection.prepare_cached(&format!("SELECT body FROM documents_{} WHERE key = ?1", view.0))?;
        let body: Option<String> = statement.query_row([key], |row| row.get(0)).optional()?;
        Ok(body.map(String::into_bytes))
    }

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

    pub(crate) fn set_built(&self, view: ViewId) -> StoreResult<()> {
        self.writer().execute("UPDATE views SET built = 1 WHERE id = ?1", [view.0]).map(drop)
    }

    /// Allows the view to replace the former one, whatever it sets aside.
    pub(crate) fn accept(&self, view: ViewId) -> StoreResult<()> {
        self.writer().execute("UPDATE views SET accepted = 1 WHERE id = ?1", [view.0]).map(drop)
    }

    pub(crate) fn is_accepted(&self, view: ViewId) -> StoreResult<bool> {
        self.writer().query_row("SELECT accepted FROM views WHERE id = ?1", [view.0], |row| row.get(0))
    }

    /// Makes the view visible to readers and drops the former views of the projection.
    pub(crate) fn switch_to(&self, view: &View) -> StoreResult<()> {
        let mut connection = self.writer();
        let transaction = connection.transaction()?;
        let old: Vec<i64> = transaction
            .prepare("SELECT id FROM views WHERE domain = ?1 AND projection = ?2 AND id <> ?3")?
            .query_map(params![view.domain.as_str(), view.projection.as_str(), view.id.0], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for id in old {
            // Events that were discarded in the former view are discarded in this one too.
            transaction.execute(
                "UPDATE parked SET kind = 'discarded', due = 0 WHERE view = ?1 AND EXISTS (SELECT 1 FROM parked AS old
                 WHERE old.view = ?2 AND old.kind = 'discarded' AND old.position = parked.position AND old.key = parked.key)",
                params![view.id.0, id],
            )?;
            drop_view(&transaction, ViewId(id))?;
        }
        transaction.execute("UPDATE views SET live = 1, built = 1 WHERE id = ?1", [view.id.0])?;
        transaction.commit()
    }

    pub(crate) fn drop_view(&self, view: ViewId) -> StoreResult<()> {
        let mut connection = self.writer();
        let transaction = connection.transaction()?;
        drop_view(&transaction, view)?;
        transaction.commit()
    }

    /// Drops all views and the effects that they requested. Ids of views and numbers of effects are not reused.
    pub(crate) fn drop_all(&self) -> StoreResult<()> {
        let views = self.views()?;
        let mut connection = self.writer();
        let transaction = connection.transaction()?;
        views.iter().try_for_each(|view| drop_view(&transaction, view.id))?;
        transaction.execute("DELETE FROM effects", [])?;
        transaction.commit()
    }

    /// Reads a consistent snapshot. Fails with [`OperationInterrupted`](rusqlite::ErrorCode::OperationInterrupted)
    /// after `time_max`, or once `ended` is set.
    pub(crate) fn read<T, E: From<rusqlite::Error>>(
        &self,
        time_max: Duration,
        ended: &Arc<AtomicBool>,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let kept = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut connection = match kept {
            Some(connection) => connection,
            None => open_reader(&self.path)?,
        };
        let (until, ended) = (Instant::now() + time_max, Arc::clone(ended));
        let is_over = move || ended.load(Ordering::Relaxed) || Instant::now() >= until;
        connection.progress_handler(INSTRUCTIONS_PER_CHECK, Some(is_over))?;
        let transaction = connection.transaction()?;
        let answer = work(&transaction);
        transaction.finish()?;
        connection.progress_handler(0, None::<fn() -> bool>)?;
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < READERS_KEPT_MAX {
            readers.push(connection);
        }
        answer
    }

    fn writer(&self) -> MutexGuard<'_, Connection> {
        // A panic inside a transaction has rolled it back, so the connection is usable.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
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

fn drop_view(transaction: &Transaction<'_>, view: ViewId) -> StoreResult<()> {
    transaction.execute_batch(&format!("DROP TABLE IF EXISTS documents_{}", view.0))?;
    transaction.execute("DELETE FROM parked WHERE view = ?1", [view.0])?;
    transaction.execute("DELETE FROM views WHERE id = ?1", [view.0])?;
    Ok(())
}

fn view_of(row: &rusqlite::Row<'_>) -> StoreResult<View> {
    let text = |column| row.get::<_, String>(column);
    let head: Option<String> = row.get(6)?;
    Ok(View {
        id: ViewId(row.get(0)?),
        domain: parsed(1, &text(1)?)?,
        projection: parsed(2, &text(2)?)?,
        revision: parsed(3, &text(3)?)?,
        checkpoint: Position(row.get(4)?),
        live: row.get(5)?,
        head: head.map(|head| parsed(6, &head)).transpose()?,
        built: row.get(7)?,
    })
}

pub(crate) fn parsed<T: std::str::FromStr>(column: usize, text: &str) -> StoreResult<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.parse().map_err(|error| unreadable(column, error))
}

pub(crate) fn unreadable(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
}

/// Disk space in bytes, including the changes of the current transaction.
fn bytes(connection: &Connection) -> StoreResult<u64> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, u64>(0));
    Ok((pragma("page_count")?.saturating_sub(pragma("freelist_count")?)) * pragma("page_size")?)
}

/// The inode of a file; 0 if there is no file.
fn inode_of(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.ino())
}

#[cfg(test)]
mod tests;
