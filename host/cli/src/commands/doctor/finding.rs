//! What a check of `polder doctor` found.

pub(super) struct Finding {
    pub(super) check: &'static str,
    pub(super) result: CheckResult,
}

pub(super) enum CheckResult {
    Good(String),
    /// The thing is missing, but it is optional.
    Absent(String),
    /// Something is wrong. The text describes it, and what to do.
    Bad(String),
}

impl From<Result<String, String>> for CheckResult {
    fn from(result: Result<String, String>) -> Self {
        result.map_or_else(Self::Bad, Self::Good)
    }
}
