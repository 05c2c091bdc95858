//! A tenant's read models in SQLite: documents and checkpoint change in one transaction, never apart. Knows SQL, and nothing
//! of guests or of the journal.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use polder_core::{ContentId, DomainName, Position, ProjectionName, Revision};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, params};

/// How long one connection waits for another, in milliseconds.
const BUSY_TIMEOUT_MS: u64 = 10_000;
/// Idle connections kept for readers.
const READERS_KEPT_MAX: usize = 4;
/// When SQLite's log has so many pages (of 4 KiB), they go into the file proper: the log is synced, then the file. Few, since whoever makes
/// a command durable meanwhile waits behind both.
const LOG_PAGES_MAX: u32 = 64;
/// Raised when the tables change.
const SCHEMA_VERSION: i64 = 2;

const SCHEMA: &str = "
    CREATE TABLE views (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        domain TEXT NOT NULL,
        projection TEXT NOT NULL,
        revision TEXT NOT NULL,
        checkpoint INTEGER NOT NULL DEFAULT 0,
        head TEXT,
        live INTEGER NOT NULL DEFAULT 0,
        UNIQUE (domain, projection, revision)
    );
    CREATE TABLE parked (
        view INTEGER NOT NULL,
        position INTEGER NOT NULL,
        key TEXT NOT NULL,
        reason TEXT NOT NULL,
        PRIMARY KEY (view, position, key)
    ) WITHOUT ROWID;
    CREATE TABLE effects (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        domain TEXT NOT NULL,
        projection TEXT NOT NULL,
        kind TEXT NOT NULL,
        target TEXT NOT NULL,
        key TEXT NOT NULL,
        payload TEXT NOT NULL,
        UNIQUE (domain, projection, key)
    );
";

/// The documents of one projection as one revision makes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ViewId(pub(crate) i64);

#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) id: ViewId,
    pub(crate) domain: DomainName,
    pub(crate) projection: ProjectionName,
    pub(crate) revision: Revision,
    pub(crate) checkpoint: Position,
    /// The content id of the event there, when it is known.
    pub(crate) head: Option<ContentId>,
    pub(crate) live: bool,
}

/// What one turn of a projection changes.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// `None`: the document is gone.
    pub(crate) documents: Vec<(String, Option<Vec<u8>>)>,
    pub(crate) effects: Vec<NewEffect>,
    pub(crate) parked: Vec<Parked>,
    pub(crate) checkpoint: Position,
    /// The content id of the event there. `None` where it is not known, or where the checkpoint stays.
    pub(crate) head: Option<ContentId>,
}

#[derive(Debug, Clone)]
pub(crate) struct NewEffect {
    pub(crate) kind: String,
    pub(crate) target: String,
    pub(crate) key: String,
    pub(crate) payload: String,
}

/// An event set aside: the projection could not apply it, or an earlier one of the same document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parked {
    pub(crate) position: Position,
    pub(crate) key: String,
    pub(crate) reason: String,
}

/// Why a tenant's read models cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenStoreError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error("{} was written by another version of polder (format {found}, this one reads {SCHEMA_VERSION}); delete it: it is built again from the journal", path.display())]
    Version { path: PathBuf, found: i64 },
}

pub(crate) type StoreResult<T> = Result<T, rusqlite::Error>;

pub(crate) struct ViewStore {
    path: PathBuf,
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
        Ok(Self { path: path.to_owned(), writer: Mutex::new(writer), readers: Mutex::default() })
    }

    pub(crate) fn views(&self) -> StoreResult<Vec<View>> {
        let connection = self.writer();
        let mut statement = connection
            .prepare("SELECT id, domain, projection, revision, checkpoint, live, head FROM views ORDER BY id")?;
        statement.query_map([], view_of)?.collect()
    }

    /// The view of a projection by a revision; made when there is none, live when it is the projection's first.
    pub(crate) fn view(
        &self,
        domain: &DomainName,
        projection: &ProjectionName,
        revision: Revision,
    ) -> StoreResult<View> {
        let mut connection = self.writer();
        let transaction = connection.transaction()?;
        transaction.execute(
            "INSERT INTO views (domain, projection, revision, live)
             SELECT ?1, ?2, ?3, NOT EXISTS (SELECT 1 FROM views WHERE domain = ?1 AND projection = ?2)
             ON CONFLICT DO NOTHING",
            params![domain.as_str(), projection.as_str(), revision.to_string()],
        )?;
        let view = transaction.query_row(
            "SELECT id, domain, projection, revision, checkpoint, live, head FROM views
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

    /// Documents that have an event set aside.
    pub(crate) fn blocked(&self, view: ViewId) -> StoreResult<Vec<String>> {
        let connection = self.writer();
        let mut statement = connection.prepare("SELECT DISTINCT key FROM parked WHERE view = ?1")?;
        statement.query_map([view.0], |row| row.get(0))?.collect()
    }

    pub(crate) fn parked_count(&self, view: ViewId) -> StoreResult<u64> {
        self.writer().query_row("SELECT count(*) FROM parked WHERE view = ?1", [view.0], |row| row.get(0))
    }

    /// Documents, effects, set-aside events and checkpoint, all or nothing.
    pub(crate) fn write(&self, view: &View, changes: &Changes) -> StoreResult<()> {
        let mut connection = self.writer();
        let transaction = connection.transaction()?;
        write_documents(&transaction, view.id, &changes.documents)?;
        for effect in &changes.effects {
            transaction
                .prepare_cached(
                    "INSERT INTO effects (domain, projection, kind, target, key, payload) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                     ON CONFLICT (domain, projection, key) DO NOTHING",
                )?
                .execute(params![
                    view.domain.as_str(),
                    view.projection.as_str(),
                    effect.kind,
                    effect.target,
                    effect.key,
                    effect.payload
                ])?;
        }
        for parked in &changes.parked {
            transaction
                .prepare_cached("INSERT OR REPLACE INTO parked (view, position, key, reason) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![view.id.0, parked.position.0, parked.key, parked.reason])?;
        }
        let updated = transaction
            .prepare_cached(
                "UPDATE views SET head = CASE WHEN checkpoint = ?2 THEN head ELSE ?3 END, checkpoint = ?2 WHERE id = ?1",
            )?
            .execute(params![view.id.0, changes.checkpoint.0, changes.head.map(|head| head.to_string())])?;
        // Dropped meanwhile: what is left of its last turn must not stay behind.
        if updated == 0 {
            return Err(rusqlite::Error::StatementChangedRows(updated));
        }
        transaction.commit()
    }

    /// Readers see the new view from here on; the old ones of the projection are dropped.
    pub(crate) fn switch_to(&self, view: &View) -> StoreResult<()> {
        let mut connection = self.writer();
        let transaction = connection.transaction()?;
        let old: Vec<i64> = transaction
            .prepare("SELECT id FROM views WHERE domain = ?1 AND projection = ?2 AND id <> ?3")?
            .query_map(params![view.domain.as_str(), view.projection.as_str(), view.id.0], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for id in old {
            drop_view(&transaction, ViewId(id))?;
        }
        transaction.execute("UPDATE views SET live = 1 WHERE id = ?1", [view.id.0])?;
        transaction.commit()
    }

    pub(crate) fn drop_view(&self, view: ViewId) -> StoreResult<()> {
        let mut connection = self.writer();
        let transaction = connection.transaction()?;
        drop_view(&transaction, view)?;
        transaction.commit()
    }

    /// All views, and the effects that they asked for. Neither ids of views nor numbers of effects are given again.
    pub(crate) fn drop_all(&self) -> StoreResult<()> {
        let views = self.views()?;
        let mut connection = self.writer();
        let transaction = connection.transaction()?;
        views.iter().try_for_each(|view| drop_view(&transaction, view.id))?;
        transaction.execute("DELETE FROM effects", [])?;
        transaction.commit()
    }

    /// Reads from one moment: nothing that is being written shows in part.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&Transaction<'_>) -> StoreResult<T>) -> StoreResult<T> {
        let kept = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut connection = match kept {
            Some(connection) => connection,
            None => open_reader(&self.path)?,
        };
        let transaction = connection.transaction()?;
        let answer = work(&transaction);
        transaction.finish()?;
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < READERS_KEPT_MAX {
            readers.push(connection);
        }
        answer
    }

    fn writer(&self) -> MutexGuard<'_, Connection> {
        // A panic inside a transaction rolled it back: the connection is sound.
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
            // The sandbox has checked that it is JSON, and so UTF-8.
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
    fn parsed<T: std::str::FromStr>(column: usize, text: &str) -> StoreResult<T>
    where
        T::Err: std::error::Error + Send + Sync + 'static,
    {
        text.parse().map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
        })
    }
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
    })
}

fn open_writer(path: &Path) -> StoreResult<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(std::time::Duration::from_millis(BUSY_TIMEOUT_MS))?;
    // What a crash may take back is a stretch of whole transactions at the end: each took its checkpoint along, and the
    // journal has the events. So no sync per transaction.
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES_MAX)?;
    Ok(connection)
}

fn open_reader(path: &Path) -> StoreResult<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(std::time::Duration::from_millis(BUSY_TIMEOUT_MS))?;
    Ok(connection)
}

fn create(connection: &mut Connection) -> StoreResult<()> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(SCHEMA)?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(store: &ViewStore, revision: &[u8]) -> View {
        let (domain, projection) = ("orders".parse().unwrap(), "summary".parse().unwrap());
        store.view(&domain, &projection, Revision::of(revision)).unwrap()
    }

    /// Wherever it stops, nothing of it is there: neither documents without their checkpoint, nor the other way round.
    #[test]
    fn documents_and_checkpoint_are_written_together_or_not_at_all() {
        for failing in ["INSERT ON effects", "INSERT ON parked", "UPDATE ON views"] {
            let folder = tempfile::tempdir().unwrap();
            let store = ViewStore::open(&folder.path().join("main.sqlite")).unwrap();
            let view = view(&store, b"1");
            let text = |text: &str| text.to_owned();
            let changes = Changes {
                documents: vec![(text("o-1"), Some(b"{}".to_vec()))],
                effects: vec![NewEffect { kind: text("k"), target: text("t"), key: text("1"), payload: text("{}") }],
                parked: vec![Parked { position: Position(1), key: text("o-2"), reason: text("late") }],
                checkpoint: Position(1),
                head: Some(ContentId::from_digest([7; 32])),
            };
            let fail = format!("CREATE TRIGGER fail BEFORE {failing} BEGIN SELECT RAISE(ABORT, 'on purpose'); END");
            store.writer().execute_batch(&fail).unwrap();
            assert!(store.write(&view, &changes).is_err(), "{failing}");
            let effects = |store: &ViewStore| -> u64 {
                store.writer().query_row("SELECT count(*) FROM effects", [], |row| row.get(0)).unwrap()
            };
            assert_eq!(store.document(view.id, "o-1").unwrap(), None, "{failing}");
            assert_eq!((effects(&store), store.parked_count(view.id).unwrap()), (0, 0), "{failing}");
            assert_eq!(store.views().unwrap()[0].checkpoint, Position::ZERO, "{failing}");

            store.writer().execute_batch("DROP TRIGGER fail").unwrap();
            store.write(&view, &changes).unwrap();
            assert_eq!(store.document(view.id, "o-1").unwrap().as_deref(), Some(&b"{}"[..]));
            assert_eq!((effects(&store), store.parked_count(view.id).unwrap()), (1, 1));
            let written = &store.views().unwrap()[0];
            assert_eq!((written.checkpoint, written.head), (Position(1), changes.head));
        }
    }

    /// A last turn of the dropped view would write into the new one's documents.
    #[test]
    fn a_dropped_views_id_is_not_used_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = ViewStore::open(&folder.path().join("main.sqlite")).unwrap();
        let (first, second) = (view(&store, b"1"), view(&store, b"2"));
        assert_eq!((first.live, second.live), (true, false));
        store.drop_view(second.id).unwrap();
        assert!(view(&store, b"3").id > second.id);
    }

    #[test]
    fn what_a_dropped_view_still_writes_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = ViewStore::open(&folder.path().join("main.sqlite")).unwrap();
        let (first, second) = (view(&store, b"1"), view(&store, b"2"));
        let parked = || Parked { position: Position(1), key: "o-1".into(), reason: "late".into() };
        let changes = || Changes { parked: vec![parked()], checkpoint: Position(1), ..Changes::default() };
        store.write(&second, &changes()).unwrap();
        store.switch_to(&second).unwrap();
        assert!(store.write(&first, &changes()).is_err());
        assert_eq!((store.parked_count(first.id).unwrap(), store.parked_count(second.id).unwrap()), (0, 1));
        assert_eq!(store.views().unwrap().len(), 1);
    }
}
