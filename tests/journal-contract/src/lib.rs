//! What every back end of the journal owes, as cases that run on whatever can be opened again and again; and the model they compare with,
//! which the journal's own tests use too.
#![forbid(unsafe_code)]

pub mod cases;
pub mod model;

use polder_journal::{OpenReport, Reader, Writer};

/// Keeps one journal, empty at first.
pub trait Place {
    /// To write on from where the last writer stopped. Never called while one is there.
    fn open(&self) -> (Writer, Reader, OpenReport);
}

/// A test for each case, each in a place of its own that `$place` makes.
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
