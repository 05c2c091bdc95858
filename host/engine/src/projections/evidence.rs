//! How far a tenant's views have come, read without opening them to be fed: what they have seen was in the journal once, and has to be there.

use std::path::Path;

use polder_core::Position;
use rusqlite::{Connection, OpenFlags};

/// The furthest position that one of the views in the file has seen. `None` without views, and for what cannot be read: damaged views are made
/// again, and prove nothing.
pub(super) fn seen(path: &Path) -> Option<Position> {
    if !path.exists() {
        return None;
    }
    // Not read only: what is in SQLite's log alone counts as well.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).ok()?;
    let furthest: Option<i64> = connection.query_row("SELECT MAX(checkpoint) FROM views", [], |row| row.get(0)).ok()?;
    furthest.and_then(|position| u64::try_from(position).ok()).map(Position)
}
