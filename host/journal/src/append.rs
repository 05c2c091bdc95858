//! Appends frames at the end of the journal. A writer commits each group of records as one frame. A follower copies the
//! frames of another host's writer. Both hold the same end of the journal, the [`Tail`](tail::Tail), and each can
//! become the other when the journal changes its owner.

mod follower;
mod group_commit;
mod handover;
mod outcome;
mod tail;
mod writer;

pub use follower::{FollowError, Followed, Follower, JournalEnd};
pub use outcome::{AppendError, Appended};
pub(crate) use tail::Tail;
pub use writer::Writer;
