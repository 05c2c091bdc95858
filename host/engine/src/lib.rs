//! The command pipeline, the projection scheduler and the deployments: everything between the interfaces to callers
//! (server, command line) and the edges (journal, sandbox). Knows no HTTP, no NATS, no wasmtime.
#![forbid(unsafe_code)]

mod access;
mod answers;
mod by_aggregate;
mod clock;
mod deployments;
mod domain;
mod errors;
mod fair_turns;
mod guest_rules;
mod health;
mod host;
mod in_flight;
mod joined;
mod living;
mod machine;
mod metrics;
mod note_log;
mod options;
mod pipeline;
mod projections;
mod read;
mod revision_check;
mod rules;
mod system;
mod tenant;
mod tenants;
mod throttle;
mod translations;

pub use answers::{
    AccessKey, Act, AsOf, BridgeChanged, BridgeInfo, Degraded, DeployStatus, Deployed, Direction, Document,
    DocumentAnswer, DocumentPage, DocumentQuery, DomainInfo, DomainRevision, EffectCursor, EffectPage, EventFilter,
    EventPage, HistoryPage, LimitInfo, ParkedChanged, ParkedDetail, ParkedEvent, ParkedFilter, ParkedKind, ParkedPage,
    ProjectionInfo, RecordedEffect, Revocation, SetAside, StateAnswer, TenantChanged, TenantInfo, WaitFor, Writability,
};
pub use deployments::{
    COMPILE_WAIT_MS_MAX, COMPILERS_MAX, COMPILES_WAITING_MAX, CompileError, CompileJob, Compiler, CompilerInProcess,
    Compilers, ComponentStore, DeployOptions, GateOptions, RevisionInfo, RevisionStatus, RollBackOptions, Stop,
    UPLOADS_MAX, UPLOADS_PER_TENANT_MAX, Upload, UploadError, Uploaded,
};
pub use errors::{
    BridgeError, DeployError, KeyError, MEMORY_RETRY_MS, OpenError, READ_RETRY_MS, ReadError, SubmitError, TenantError,
};
pub use host::{Described, Host, MAIN_TENANT};
pub use joined::joined;
pub use living::LivingTenants;
pub use machine::{MEMORY_BYTES_MAX_LEAST, memory_bytes_max_default};
pub use note_log::{NOTE_LOG_BYTES_PER_SECOND_IN_ALL_MAX, NOTE_LOG_BYTES_PER_SECOND_MAX};
pub use options::HostOptions;
pub use polder_sandbox::COMPONENT_BYTES_MAX;
pub use revision_check::{
    Change, Difference, DifferingPlace, EventPlace, GateProgress, GateRefusal, GateStage, LostState, REPLAY_EVENTS_MAX,
    ReplayReport, ReplayScope, UnreadableEvents, Verdict,
};
pub use rules::{DecidedEvent, Handled, Rules, RulesInstance, StateSlot};
pub use system::SYSTEM_TENANT;
pub use translations::PublishFeed;
