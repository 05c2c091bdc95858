//! Given/when/then cases that a domain's tests ran natively, played again through the compiled component in the real sandbox. What came
//! out natively is part of the case; here the component has to show the same. Builds nothing, and knows no host.
#![forbid(unsafe_code)]

mod aggregate;
mod case;
mod difference;
mod projection;

use polder_core::Limits;
use polder_sandbox::{CallError, Component};

pub use case::{Case, CaseError, read_folder};

/// Why a component does not do what the domain did natively.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// Something else came out.
    #[error("the component does otherwise (- natively, + in the sandbox):\n  {}", .0.join("\n  "))]
    Differs(Vec<String>),
    #[error("the component failed where the domain did not natively: {0}")]
    Call(#[from] CallError),
    #[error("the case is for domain {case:?}, the component is {component:?}")]
    OtherDomain { case: String, component: String },
    #[error("the component answered with something that is not JSON: {0}")]
    NotJson(#[from] serde_json::Error),
}

/// Plays one case through a fresh instance.
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
