//! Why a replay fails.

use polder_sandbox::CallError;

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
