//! The words of the office.

use polder_sdk::prelude::*;

/// A department, as the office calls it: `General`.
pub type Department = NonEmptyText<80>;

/// A group of people or of cases: `Group 1`. `EMPTY` is the name of one, too.
pub type Group = NonEmptyText<80>;

/// Whoever does a task: `Resource01`.
pub type Resource = NonEmptyText<80>;

/// How an application came in.
#[data]
#[serde(rename_all = "PascalCase")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    Internet,
    Desk,
    Post,
    #[serde(rename = "e-mail")]
    Email,
    Intern,
}
