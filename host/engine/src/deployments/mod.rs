//! The active revision of each domain. Deployments are facts in the host's own history. So a restart activates exactly
//! the same revisions, and the history of deployments, with their actors, can be read like any other.

mod compile_seats;
mod compiling;
mod components;
mod facts;
mod options;
mod revisions;
mod turns;
mod uploads;

pub(crate) use compile_seats::CompileSeats;
pub use compile_seats::{COMPILE_WAIT_MS_MAX, COMPILERS_MAX, COMPILES_WAITING_MAX};
pub(crate) use compiling::StopOnDrop;
pub use compiling::{CompileError, CompileJob, Compiler, CompilerInProcess, Compilers, Stop};
pub use components::ComponentStore;
pub(crate) use components::{ComponentError, Components};
pub(crate) use facts::{Activation, DeploymentFact, Deployments, DomainDeployments};
pub use options::{DeployOptions, GateOptions, RollBackOptions};
pub(crate) use revisions::Revisions;
pub use revisions::{RevisionInfo, RevisionStatus};
pub(crate) use turns::Turns;
use uploads::UploadCounts;
pub(crate) use uploads::Uploads;
pub use uploads::{UPLOADS_MAX, UPLOADS_PER_TENANT_MAX, Upload, UploadError, Uploaded};
