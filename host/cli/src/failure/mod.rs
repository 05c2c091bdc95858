//! The reasons why a command fails, and the exit code of each.

pub(crate) mod problem;

use problem::Problem;

pub(crate) type Outcome = Result<(), Failure>;

/// Exit codes of a command that ended early; `docs/src/reference/command-line.md` has the same table. 2 (wrong usage)
/// comes from clap.
const DONE: u8 = 0;
const FAILED: u8 = 1;
const REJECTED: u8 = 3;
const NO_HOST: u8 = 4;

#[derive(Debug)]
pub(crate) enum Failure {
    /// The host refused and gave the reason.
    Problem(Box<Problem>),
    /// The domain rejected the command. The rejection is printed already.
    Rejected,
    /// No host answers.
    NoHost(anyhow::Error),
    /// Anything else that went wrong, here or on the way.
    Failed(anyhow::Error),
    /// The command failed and has printed everything already.
    Reported,
    /// The reader of the output has closed it, as in `polder events | head`. It has all that it wants.
    ReaderGone,
}

impl Failure {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Problem(problem) if problem.is_temporary() => NO_HOST,
            Self::Problem(problem) if problem.is_callers_fault() => REJECTED,
            Self::Rejected => REJECTED,
            Self::NoHost(_) => NO_HOST,
            Self::Problem(_) | Self::Failed(_) | Self::Reported => FAILED,
            Self::ReaderGone => DONE,
        }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_can_distinguish_a_refusal_from_a_host_that_is_not_there() {
        let problem = |status| Failure::Problem(Box::new(Problem::new(status, b"", None))).exit_code();
        assert_eq!([422, 409, 404, 401].map(problem), [REJECTED; 4]);
        assert_eq!([429, 503].map(problem), [NO_HOST; 2]);
        assert_eq!([500, 507].map(problem), [FAILED; 2]);
        assert_eq!(Failure::ReaderGone.exit_code(), DONE);
        assert_eq!(Failure::Rejected.exit_code(), REJECTED);
        assert_eq!(Failure::NoHost(anyhow::anyhow!("none")).exit_code(), NO_HOST);
        assert_eq!(Failure::Failed(anyhow::anyhow!("no file")).exit_code(), FAILED);
    }
}
