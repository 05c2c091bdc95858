//! The value objects of the office.

use polder_sdk::prelude::*;

/// The name of a department, such as `General`.
pub type Department = NonEmptyText<80>;

/// The name of a group of people or of cases, such as `Group 1`. `EMPTY` is also the name of a group.
pub type Group = NonEmptyText<80>;

/// The name of a resource, a person or a system that completes tasks, such as `Resource01`.
pub type Resource = NonEmptyText<80>;

/// The channel through which an application came in.
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
