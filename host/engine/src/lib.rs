//! The command pipeline, the views and the deployments: everything between the interfaces to callers (server, command
//! line) and the edges (journal, sandbox). Knows no HTTP, no NATS, no wasmtime.
//!
//! | folder | what is in it |
//! |---|---|
//! | `tenancy` | a tenant, its domains and their active revisions |
//! | `folding` | recorded events become states |
//! | `read` | queries of states and events, and the admission of all reads |
//! | `write` | a command is decided, and its record becomes durable |
//! | `views` | projections fold the history into documents; queries of documents |
//! | `control` | administrative acts are recorded in the host's own history |
//! | `deployments` | a component is checked, compared with the history, and switched in |
//! | `tenants`, `access_keys`, `translations` | further administrative resources |
//! | `host` | the parts, composed |
//!
//! Each folder may only import the folders above it in this table; `cargo xtask check` holds the rule.
#![forbid(unsafe_code)]

mod access_keys;
mod control;
mod deployments;
mod fair_turns;
mod folding;
mod host;
mod joined;
mod machine;
mod priority;
mod prometheus_text;
mod read;
mod scheduler;
mod tenancy;
mod tenants;
mod throttle;
mod translations;
mod views;
mod write;

pub use access_keys::{AccessKey, AccessKeys, KeyError, Revocation};
pub use deployments::{
    COMPILE_WAIT_MS_MAX, COMPILERS_MAX, COMPILES_WAITING_MAX, Change, CheckOptions, CheckProgress, CheckRefusal,
    CheckStage, CompileError, CompileJob, Compiler, CompilerInProcess, Compilers, ComponentStore, DeployError,
    DeployOptions, DeployStatus, Deployed, DeploymentService, Described, Difference, DifferingPlace, DomainInfo,
    EventPlace, LostState, REPLAY_EVENTS_MAX, ReplayReport, ReplayScope, RevisionInfo, RevisionStatus, RollBackOptions,
    Stop, StoredComponent, UPLOADS_MAX, UPLOADS_PER_TENANT_MAX, UnreadableEvents, Upload, UploadError, Uploaded,
    Verdict,
};
pub use host::{Degraded, Host, HostOptions, OpenError, Writability};
pub use joined::joined;
pub use machine::{MEMORY_BYTES_MAX_LEAST, memory_bytes_max_default};
pub use polder_sandbox::COMPONENT_BYTES_MAX;
pub use read::{
    AsOf, EventFilter, EventPage, HeldList, HistoryPage, Queries, READ_RETRY_MS, ReadError, SetAside, StateAnswer,
};
pub use tenancy::{
    Act, DecidedEvent, Handled, MAIN_TENANT, MEMORY_RETRY_MS, NOTE_LOG_BYTES_PER_SECOND_IN_ALL_MAX,
    NOTE_LOG_BYTES_PER_SECOND_MAX, PublishFeed, Rules, RulesInstance, SYSTEM_TENANT, StateSlot, SubmitError,
};
pub use tenants::{
    DomainRevision, LimitInfo, LivingTenants, TenantAdministration, TenantChanged, TenantError, TenantInfo,
};
pub use translations::{BridgeChanged, BridgeError, BridgeInfo, Translations};
pub use views::{
    Direction, Document, DocumentAnswer, DocumentPage, DocumentQuery, EffectCursor, EffectPage, ParkedChanged,
    ParkedDetail, ParkedEvent, ParkedFilter, ParkedKind, ParkedPage, ProjectionInfo, RecordedEffect, ViewQueries,
    WaitFor,
};
