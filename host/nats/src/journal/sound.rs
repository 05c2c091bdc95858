//! Checks whether a stream can still be the journal that a host has a copy of. Pure.

use polder_core::counted;

/// The extent of a stream, as JetStream reports it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) messages: u64,
    /// Missing sequences in between; JetStream reports the first few.
    pub(crate) deleted: Vec<u64>,
}

/// A frame that the stream no longer has, and the evidence.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LostFrame {
    pub(crate) frame: u64,
    pub(crate) what: String,
}

/// Checks the stream. `copied` is the number of the last frame in the copy.
pub(crate) fn check(extent: &Extent, copied: u64) -> Result<(), LostFrame> {
    let Extent { first, last, messages, deleted } = extent;
    // For an empty stream, the servers report message 0 as deleted.
    if let Some(frame) = deleted.iter().find(|frame| (1..=*last).contains(*frame)) {
        return Err(LostFrame { frame: *frame, what: "it was deleted".to_owned() });
    }
    if *last > 0 && *first > 1 {
        return Err(LostFrame { frame: 1, what: format!("the stream begins with frame {first}") });
    }
    if messages < last {
        return Err(LostFrame { frame: 1, what: format!("the stream has {messages} of {}", counted(last, "frame")) });
    }
    if *last < copied {
        let what = format!("the stream ends with frame {last}, the copy on this machine with frame {copied}");
        return Err(LostFrame { frame: last + 1, what });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(first: u64, last: u64, messages: u64) -> Extent {
        Extent { first, last, messages, deleted: Vec::new() }
    }

    #[test]
    fn a_stream_may_be_ahead_of_a_copy_and_nothing_else() {
        assert_eq!(check(&Extent { deleted: vec![0], ..Extent::default() }, 0), Ok(()));
        assert_eq!(check(&extent(1, 7, 7), 0), Ok(()));
        assert_eq!(check(&extent(1, 7, 7), 7), Ok(()));
        assert_eq!(check(&extent(1, 7, 7), 8).unwrap_err().frame, 8);
        assert_eq!(check(&Extent::default(), 3).unwrap_err().frame, 1);
    }

    #[test]
    fn what_is_missing_is_named() {
        let gap = Extent { deleted: vec![4, 6], ..extent(1, 7, 5) };
        assert_eq!(check(&gap, 0).unwrap_err().frame, 4);
        assert!(check(&extent(3, 7, 5), 0).unwrap_err().what.contains("begins with frame 3"));
        assert!(check(&extent(8, 7, 0), 0).is_err(), "purged");
        assert!(check(&extent(1, 7, 5), 0).unwrap_err().what.contains("5 of 7"));
    }
}
