//! Has tables reach the disk while they are being made. fjall syncs each of them once, in the end: dozens of megabytes at a time, behind
//! which the sync of every append would have to wait.
//!
//! Nothing relies on it: what it fails to sync, fjall syncs, and tells when that fails.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// Between two looks at what has grown.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);
/// Tables are merged right after one was added. What has not grown for so many looks is done.
const STILL_LOOKS_MAX: usize = 30;
/// What is written at the same time: a new table, and one that others are merged into.
const TABLES_AT_A_TIME: usize = 2;

/// By number.
type Lengths = HashMap<u64, u64>;

/// `begun` tells that a table will be made in `folder`. Returns when nobody can tell any more.
pub(super) fn run(folder: &Path, begun: &Receiver<()>) {
    while begun.recv().is_ok() {
        let (mut lengths, mut still_looks) = (Lengths::new(), 0);
        while still_looks < STILL_LOOKS_MAX {
            match begun.recv_timeout(LOOK_INTERVAL) {
                Ok(()) => still_looks = 0,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            match sync_grown(folder, &mut lengths) {
                Ok(true) => still_looks = 0,
                Ok(false) => still_looks += 1,
                Err(error) => {
                    tracing::debug!(%error, "tables of the index are not written out bit by bit");
                    break;
                }
            }
        }
    }
}

/// Whether one of the newest has grown.
fn sync_grown(folder: &Path, lengths: &mut Lengths) -> io::Result<bool> {
    let mut numbers = Vec::new();
    for file in fs::read_dir(folder)? {
        numbers.extend(file?.file_name().to_str().and_then(|name| name.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    let mut has_grown = false;
    for number in numbers.into_iter().rev().take(TABLES_AT_A_TIME) {
        let table = match File::open(folder.join(number.to_string())) {
            Ok(table) => table,
            // Merged into another meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let length = table.metadata()?.len();
        if lengths.insert(number, length) != Some(length) {
            table.sync_data()?;
            has_grown = true;
        }
    }
    Ok(has_grown)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn the_newest_are_looked_at_as_long_as_they_grow() {
        let folder = tempfile::tempdir().unwrap();
        let add = |name: &str| {
            let file = File::options().create(true).append(true).open(folder.path().join(name));
            file.unwrap().write_all(b"entries").unwrap();
        };
        let mut lengths = Lengths::new();
        assert!(!sync_grown(folder.path(), &mut lengths).unwrap());
        for name in ["9", "10", "11", "12.tmp"] {
            add(name);
        }
        assert!(sync_grown(folder.path(), &mut lengths).unwrap());
        assert!(!sync_grown(folder.path(), &mut lengths).unwrap());
        add("11");
        assert!(sync_grown(folder.path(), &mut lengths).unwrap());
        add("9");
        assert!(!sync_grown(folder.path(), &mut lengths).unwrap(), "it is neither of the two newest");
    }

    #[test]
    fn it_ends_with_those_who_tell() {
        let folder = tempfile::tempdir().unwrap();
        for folder in [folder.path(), &folder.path().join("missing")] {
            let (tell, begun) = std::sync::mpsc::channel();
            tell.send(()).unwrap();
            drop(tell);
            run(folder, &begun);
        }
    }
}
