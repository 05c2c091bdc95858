//! The active revision of each domain. Deployments are facts in the host's own history. So a restart activates exactly
//! the same revisions, and the history of deployments, with their actors, can be read like any other.

mod activate;
mod answers;
mod check;
mod compile_error;
mod compile_seats;
mod compiling;
mod components;
mod deploy;
mod deploy_error;
mod facts;
mod options;
mod outdated_snapshots;
mod queries;
mod restore;
mod restoring;
mod revisions;
mod service;
mod stop;
mod takeover;
mod turns;
mod uploads;
mod withdraw;

pub use answers::{DeployStatus, Deployed, DomainInfo, StoredComponent};
pub(crate) use check::RevisionCheck;
pub use check::{
    Change, CheckProgress, CheckRefusal, CheckStage, Difference, DifferingPlace, EventPlace, LostState,
    REPLAY_EVENTS_MAX, ReplayReport, ReplayScope, UnreadableEvents, Verdict,
};
pub use compile_error::CompileError;
pub use compile_seats::{COMPILE_WAIT_MS_MAX, COMPILERS_MAX, COMPILES_WAITING_MAX};
pub use compiling::{CompileJob, Compiler, CompilerInProcess, Compilers};
pub use components::ComponentStore;
pub(crate) use components::Components;
pub use deploy::Described;
pub use deploy_error::DeployError;
pub(crate) use facts::Deployments;
pub use options::{CheckOptions, DeployOptions, RollBackOptions};
pub(crate) use restore::old_revisions;
pub use revisions::{RevisionInfo, RevisionStatus};
pub use service::DeploymentService;
pub(crate) use service::{DeploymentParts, Restoring};
pub use stop::Stop;
pub(crate) use turns::Turns;
pub use uploads::{UPLOADS_MAX, UPLOADS_PER_TENANT_MAX, Upload, UploadError, Uploaded};
