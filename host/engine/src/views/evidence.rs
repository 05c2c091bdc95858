//! Reads the position of a tenant's views without opening them to be fed. What the views have folded was in the journal
//! once, and must still be there.

use std::path::Path;

use polder_core::Position;
use rusqlite::{Connection, OpenFlags};

/// The highest position that one of the views in the file has reached. `None` if there are no views or the file cannot
/// be read: damaged views are rebuilt and prove nothing.
pub(super) fn seen(path: &Path) -> Option<Position> {
    if !path.exists() {
        return None;
    }
    // Not opened read-only, because content that is only in SQLite's log counts as well.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).ok()?;
    let furthest: Option<i64> = connection.query_row("SELECT MAX(checkpoint) FROM views", [], |row| row.get(0)).ok()?;
    furthest.and_then(|position| u64::try_from(position).ok()).map(Position)
}
