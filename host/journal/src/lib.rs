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
//!
//! The modules, each of which imports only those before it:
//! 1. `disk` stores segments; `keyring` holds the tenants' keys.
//! 2. `format` has the bytes of frames and records, and seals records.
//! 3. `segments` finds room for frames; `index` finds records and keeps snapshots.
//! 4. `recovery` scans what a crash left, and distinguishes a torn end from damage; `append` commits groups of records.
//! 5. `reader` reads; `journal` opens; `verify` checks everything.
#![forbid(unsafe_code)]

mod append;
pub mod baseline;
mod decision;
mod digest_hasher;
pub mod disk;
mod error;
mod folder_lock;
mod folders;
mod format;
mod frame_log;
mod index;
mod journal;
mod keyring;
mod lookup_keys;
mod open_journal;
mod options;
mod reader;
mod recovery;
mod segments;
mod snapshot;
mod statistics;
mod verify;

pub use append::{AppendError, Appended, FollowError, Followed, Follower, JournalEnd, Writer};
pub use decision::{Decision, NewEvent, Outcome};
pub use digest_hasher::BuildDigestHasher;
pub use disk::Shortage;
pub use error::{OpenError, ReadError};
pub use folders::{SEGMENTS_FOLDER, TENANT_KEYS_FOLDER};
pub use format::frame::{FRAME_BYTES_MAX, FRAME_FORMAT};
pub use format::record::{EncodedRecord, EventView, Events, RecordBuf, RecordError, RecordView};
pub use frame_log::{FrameLog, LogError};
pub use journal::{Journal, OpenReport};
pub use keyring::{Kept, KeyCheck, KeyCheckError, KeyProblem, KeyStore, Keyring, Secret};
pub use lookup_keys::{AggregateKey, CommandKey};
pub use options::{DISK_RESERVE_BYTES, INDEX_FLUSH_RECORDS, OpenOptions, SEGMENT_BYTES};
pub use reader::{HistoryPart, Reader, TenantBatch};
pub use recovery::{SalvageError, SalvageReport, TornEnd, salvage};
pub use snapshot::Snapshot;
pub use statistics::Statistics;
pub use verify::{FrameCheck, VerifyError, VerifyReport, keys_in, verify, verify_on, verify_with};
