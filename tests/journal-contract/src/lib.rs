//! The contract of every back end of the journal: cases that run on any storage that can be reopened, and the model
//! that they compare with. The journal's own tests use the model too.
#![forbid(unsafe_code)]

pub mod cases;
pub mod model;

use polder_journal::{OpenReport, Reader, Writer};

/// The storage of one journal, empty at first.
pub trait Place {
    /// Opens the journal where the last writer stopped. Never called while a writer exists.
    fn open(&self) -> (Writer, Reader, OpenReport);
}

/// Generates a test for each case, each with a place of its own that `$place` creates.
#[macro_export]
macro_rules! contract {
    ($place:expr) => {
        $crate::contract! { $place;
            what_was_appended_is_read,
            everything_survives_a_kill_and_a_close,
            an_empty_append_does_nothing,
            many_records_go_into_frames_of_limited_size,
            one_record_may_be_larger_than_a_frame_and_a_segment,
            readers_follow_a_writer,
            a_batch_can_begin_in_the_middle_of_a_record,
        }
    };
    ($place:expr; $($case:ident,)*) => {
        $(#[test]
        fn $case() {
            $crate::cases::$case(&$place);
        })*
    };
}
