//! The tables of a tenant's read models, and how SQLite is opened.

use std::fs::{File, Permissions};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::StoreResult;
use crate::projections::query::register_functions;

/// How long one connection waits for another, in milliseconds.
const BUSY_TIMEOUT_MS: u64 = 10_000;
/// When SQLite's log has so many pages (of 4 KiB), they go into the file proper: the log is synced, then the file. Few, since whoever makes
/// a command durable meanwhile waits behind both.
const LOG_PAGES_MAX: u32 = 64;
const FILE_MODE: u32 = 0o600;
/// Raised when the tables change.
pub(super) const SCHEMA_VERSION: i64 = 3;

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
        -- It has folded the whole history at some time.
        built INTEGER NOT NULL DEFAULT 0,
        -- Effects of the domain were listed before the view was there.
        late INTEGER NOT NULL DEFAULT 0,
        -- It takes the place of the view before, whatever it sets aside.
        accepted INTEGER NOT NULL DEFAULT 0,
        -- The tenant's limits when events were set aside last.
        limits TEXT,
        UNIQUE (domain, projection, revision)
    );
    CREATE TABLE parked (
        view INTEGER NOT NULL,
        position INTEGER NOT NULL,
        -- Of the document; empty where the projection could not say which document it is.
        key TEXT NOT NULL,
        kind TEXT NOT NULL,
        reason TEXT NOT NULL,
        aggregate TEXT NOT NULL,
        aggregate_id TEXT NOT NULL,
        event TEXT NOT NULL,
        version INTEGER NOT NULL,
        -- To be tried again.
        due INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (view, position, key)
    ) WITHOUT ROWID;
    CREATE INDEX parked_by_key ON parked (view, key, position);
    CREATE TABLE effects (
        domain TEXT NOT NULL,
        projection TEXT NOT NULL,
        key TEXT NOT NULL,
        -- Where readers find it: the position of its event, or later where readers had passed that already.
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
    // The host's user's alone, and so is what SQLite keeps beside it: documents lie there in plain text. Where it cannot be made, opening says so.
    let made = File::options().write(true).create(true).truncate(false).mode(FILE_MODE).open(path);
    drop(made.and_then(|file| file.set_permissions(Permissions::from_mode(FILE_MODE))));
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_millis(BUSY_TIMEOUT_MS))?;
    // What a crash may take back is a stretch of whole transactions at the end: each took its checkpoint along, and the
    // journal has the events. So no sync per transaction.
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

/// What the file holds cannot be used, or the file is gone: it has to be made anew. A full or failing disk is no such case.
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
