//! The tables of a tenant's read models, and the settings of SQLite.

use std::fs::{File, Permissions};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::rows::StoreResult;
use crate::views::field_values::register_functions;

/// How long one connection waits for another, in milliseconds.
const BUSY_TIMEOUT_MS: u64 = 10_000;
/// Pages (of 4 KiB) in SQLite's log at which they are copied into the main file: the log is synced, then the file. The
/// number is small, because commands that become durable meanwhile wait for both syncs.
const LOG_PAGES_MAX: u32 = 64;
const FILE_MODE: u32 = 0o600;
/// Must be raised when the tables change.
pub(super) const SCHEMA_VERSION: i64 = 4;

const SCHEMA: &str = "
    CREATE TABLE views (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        domain TEXT NOT NULL,
        projection TEXT NOT NULL,
        revision TEXT NOT NULL,
        checkpoint INTEGER NOT NULL DEFAULT 0,
        head TEXT,
        -- Readers see it.
        live INTEGER NOT NULL DEFAULT 0,
        -- It has ever folded the whole history.
        built INTEGER NOT NULL DEFAULT 0,
        -- Effects of the domain were listed before the view existed.
        late INTEGER NOT NULL DEFAULT 0,
        -- It may replace the former view, whatever it sets aside.
        accepted INTEGER NOT NULL DEFAULT 0,
        -- The tenant's limits when events were last set aside.
        limits TEXT,
        UNIQUE (domain, projection, revision)
    );
    CREATE TABLE parked (
        view INTEGER NOT NULL,
        position INTEGER NOT NULL,
        -- Key of the document; empty if the projection could not route the event.
        key TEXT NOT NULL,
        kind TEXT NOT NULL,
        reason TEXT NOT NULL,
        aggregate TEXT NOT NULL,
        aggregate_id TEXT NOT NULL,
        event TEXT NOT NULL,
        version INTEGER NOT NULL,
        -- It must be retried.
        due INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (view, position, key)
    ) WITHOUT ROWID;
    CREATE INDEX parked_by_key ON parked (view, key, position);
    CREATE INDEX parked_due ON parked (view, key, aggregate, aggregate_id) WHERE due;
    CREATE TABLE effects (
        domain TEXT NOT NULL,
        projection TEXT NOT NULL,
        key TEXT NOT NULL,
        -- Position at which readers find it: that of its event, or a later one if readers had passed that already.
        listed INTEGER NOT NULL,
        position INTEGER NOT NULL,
        document TEXT NOT NULL,
        ordinal INTEGER NOT NULL,
        kind TEXT NOT NULL,
        target TEXT NOT NULL,
        payload TEXT NOT NULL,
        PRIMARY KEY (domain, projection, key)
    ) WITHOUT ROWID;
    CREATE INDEX effects_listed ON effects (domain, listed, projection, position, document, ordinal);
";

pub(super) fn open_writer(path: &Path) -> StoreResult<Connection> {
    // Only the host's user may read this file and those that SQLite keeps beside it, because documents are stored in
    // plain text. If the file cannot be created, opening it reports the error.
    let made = File::options().write(true).create(true).truncate(false).mode(FILE_MODE).open(path);
    drop(made.and_then(|file| file.set_permissions(Permissions::from_mode(FILE_MODE))));
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_millis(BUSY_TIMEOUT_MS))?;
    // A crash may lose the last transactions, each as a whole and with its checkpoint, and the journal still has their
    // events. Therefore transactions are not synced.
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES_MAX)?;
    Ok(connection)
}

pub(super) fn open_reader(path: &Path) -> StoreResult<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_millis(BUSY_TIMEOUT_MS))?;
    register_functions(&connection)?;
    Ok(connection)
}

pub(super) fn create(connection: &mut Connection) -> StoreResult<()> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(SCHEMA)?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()
}

/// Whether the file is unusable or gone, so that it must be rebuilt. A full or failing disk does not count.
pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::Error as E;
    match error {
        E::SqliteFailure(failure, message) => match failure.code {
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::SchemaChanged => true,
            ErrorCode::CannotOpen | ErrorCode::ReadOnly => true,
            _ => message.as_ref().is_some_and(|message| is_wrong_schema(message)),
        },
        E::SqlInputError { msg, .. } => is_wrong_schema(msg),
        E::FromSqlConversionFailure(..) | E::InvalidColumnType(..) | E::IntegralValueOutOfRange(..) => true,
        _ => false,
    }
}

fn is_wrong_schema(message: &str) -> bool {
    ["no such table", "no such column", "malformed"].iter().any(|part| message.contains(part))
}
