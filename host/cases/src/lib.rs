//! Replays given/when/then cases through the compiled component in the real sandbox. A domain's tests ran them natively
//! and recorded the results; the component must give the same ones. Builds nothing, and knows no host.
#![forbid(unsafe_code)]

mod aggregate;
mod case;
mod difference;
mod error;
mod projection;

use polder_core::Limits;
use polder_sandbox::Component;

pub use case::{Case, CaseError, read_folder};
pub use error::ReplayError;

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
