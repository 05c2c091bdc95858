//! Why a command did not do what it was asked to, and how the caller is told. Exit codes: 0 done, 1 refused or failed, 2 used wrongly
//! (that one is clap's).

use std::process::ExitCode;

use crate::output::Output;
use crate::problem::Problem;

pub(crate) type Outcome = Result<(), Failure>;

#[derive(Debug)]
pub(crate) enum Failure {
    /// The host refused, and said why.
    Problem(Box<Problem>),
    /// Anything else that went wrong here or on the way.
    Failed(anyhow::Error),
    /// All that is to be said has been said, and it was not good.
    Told,
    /// Whoever read our output has seen enough: `polder events | head`.
    ReaderGone,
}

impl Failure {
    pub(crate) fn tell(self, output: &Output) -> ExitCode {
        match self {
            Self::ReaderGone => return ExitCode::SUCCESS,
            Self::Told => {}
            Self::Problem(problem) => output.problem(problem.document(), &problem.to_string()),
            Self::Failed(error) => {
                let message = format!("{error:#}");
                output.problem(&serde_json::json!({ "error": message }), &message);
            }
        }
        ExitCode::FAILURE
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}
