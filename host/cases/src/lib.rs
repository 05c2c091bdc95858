//! Replays given/when/then cases through the compiled component in the real sandbox. A domain's tests ran them natively
//! and recorded the results; the component must give the same ones. Builds nothing, and knows no host.
#![forbid(unsafe_code)]

mod aggregate;
mod case;
mod difference;
mod projection;

use polder_core::Limits;
use polder_sandbox::{CallError, Component};

pub use case::{Case, CaseError, read_folder};

/// The reason why a component differs from the domain's native run.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The results differ.
    #[error("the component's results differ (- natively, + in the sandbox):\n  {}", .0.join("\n  "))]
    Differs(Vec<String>),
    #[error("the component failed where the domain did not natively: {0}")]
    Call(#[from] CallError),
    #[error("the case is for domain {case:?}, the component is {component:?}")]
    OtherDomain { case: String, component: String },
    #[error("the component answered with something that is not JSON: {0}")]
    NotJson(#[from] serde_json::Error),
}

/// Replays one case through a fresh instance.
pub fn replay(component: &Component, case: &Case, limits: &Limits) -> Result<(), ReplayError> {
    let described = component.descriptor.domain.as_str();
    if case.domain() != described {
        return Err(ReplayError::OtherDomain { case: case.domain().to_owned(), component: described.to_owned() });
    }
    let mut instance = component.instantiate(limits)?;
    let differences = match case {
        Case::Aggregate(case) => aggregate::replay(&mut instance, case)?,
        Case::Projection(case) => projection::replay(&mut instance, case)?,
    };
    if differences.is_empty() { Ok(()) } else { Err(ReplayError::Differs(differences)) }
}
