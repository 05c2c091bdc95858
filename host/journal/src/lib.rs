//! Polder's append-only journal. It keeps decisions as records, records in frames, and frames in a hash chain. A frame
//! is on disk before its records are acknowledged. The crate is synchronous and runs on threads of its own; it knows
//! nothing of guests, of the network, or of what events mean.
//!
//! What it promises:
//! 1. An append that returned is durable and part of the chain.
//! 2. Opening a journal restores all of it, or fails.
//! 3. Readers see only what a crash cannot take back.
//!
//! A journal can also be kept elsewhere, in a [`FrameLog`]. Then a frame is durable when the log has acknowledged it,
//! and the local segments are a copy. A [`Follower`] keeps that copy up to date while another host appends.
#![forbid(unsafe_code)]

mod active_segment;
mod aside;
pub mod baseline;
mod bytes;
mod chain;
mod content;
mod decision;
mod digest_hasher;
pub mod disk;
mod disk_room;
mod error;
mod folder_lock;
mod follower;
mod frame;
mod frame_log;
mod index;
mod journal;
mod keyring;
mod next_segment;
mod opened_frame;
mod options;
mod reader;
mod record;
mod recovery;
mod replay;
mod salvage;
mod scan;
mod segments;
mod shared;
mod snapshot;
mod statistics;
mod tail;
mod tenant_batch;
mod tenant_keys;
mod torn;
mod verify;
mod window;
mod writer;

pub use decision::{Decision, NewEvent, Outcome};
pub use digest_hasher::BuildDigestHasher;
pub use disk_room::Shortage;
pub use error::{AppendError, FollowError, OpenError, ReadError};
pub use follower::{Followed, Follower, JournalEnd};
pub use frame::{FRAME_BYTES_MAX, FRAME_FORMAT};
pub use frame_log::{FrameLog, LogError};
pub use journal::{Journal, OpenReport, SEGMENTS_FOLDER, TENANT_KEYS_FOLDER};
pub use keyring::{Kept, KeyCheck, KeyCheckError, KeyProblem, KeyStore, Keyring, Secret};
pub use options::{DISK_RESERVE_BYTES, INDEX_FLUSH_RECORDS, OpenOptions, SEGMENT_BYTES};
pub use reader::{HistoryPart, Reader};
pub use record::{EncodedRecord, EventView, Events, RecordBuf, RecordError, RecordView};
pub use recovery::TornEnd;
pub use salvage::{SalvageError, SalvageReport, salvage};
pub use snapshot::Snapshot;
pub use statistics::Statistics;
pub use tenant_batch::TenantBatch;
pub use tenant_keys::{AggregateKey, CommandKey};
pub use verify::{FrameCheck, VerifyError, VerifyReport, keys_in, verify, verify_on, verify_with};
pub use writer::{Appended, Writer};
