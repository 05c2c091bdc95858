//! A tenant, its domains and their active revisions: what commands, reads and views find when they look a tenant up.
//! Nothing here knows how commands are decided, how events are folded into views or how revisions are deployed.

mod act;
mod clock;
mod directory;
mod domain;
mod error_text;
mod guest_rules;
mod health;
mod in_flight;
mod lane_policy;
mod note_log;
mod publication;
mod rate;
mod rules;
mod submit_error;
mod system_tenant;
mod tenant;

pub use act::Act;
pub(crate) use clock::Clock;
pub(crate) use directory::TenantDirectory;
pub(crate) use domain::{Active, Domain};
pub(crate) use error_text::{others, out_of_service};
pub(crate) use guest_rules::GuestRules;
pub(crate) use health::{CircuitAction, CircuitState, Origin, Probation};
pub(crate) use in_flight::{Drained, InFlightGuard};
pub(crate) use lane_policy::{LanePolicy, SLICE_MS, overran_slice, slice_of};
pub use note_log::{NOTE_LOG_BYTES_PER_SECOND_IN_ALL_MAX, NOTE_LOG_BYTES_PER_SECOND_MAX};
pub use publication::PublishFeed;
pub(crate) use publication::RuleSet;
pub use rules::{DecidedEvent, Handled, Rules, RulesInstance, StateSlot};
pub use submit_error::{MEMORY_RETRY_MS, SubmitError};
pub(crate) use system_tenant::system_tenant;
pub use system_tenant::{MAIN_TENANT, SYSTEM_TENANT};
pub(crate) use tenant::{Admission, Tenant, Terms, Unloadable};
