//! The open file of a tenant's read models: one connection that writes, and connections for readers.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use polder_core::{DomainName, Position, ProjectionName, Revision};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::rows::{StoreResult, View, ViewId, parsed};
use super::schema::{SCHEMA_VERSION, create, is_damage, open_reader, open_writer};

/// Idle connections kept for readers.
const READERS_KEPT_MAX: usize = 2;
/// SQLite instructions between two checks of the time.
const INSTRUCTIONS_PER_CHECK: i32 = 10_000;

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

    pub(super) fn writer(&self) -> MutexGuard<'_, Connection> {
        // A panic inside a transaction has rolled it back, so the connection is usable.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
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

/// Disk space in bytes, including the changes of the current transaction.
pub(super) fn bytes(connection: &Connection) -> StoreResult<u64> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, u64>(0));
    Ok((pragma("page_count")?.saturating_sub(pragma("freelist_count")?)) * pragma("page_size")?)
}

/// The inode of a file; 0 if there is no file.
fn inode_of(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.ino())
}
