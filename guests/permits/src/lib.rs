//! A permit office: applications come in, and resources complete tasks for them. The model follows the log of a real
//! office.
#![forbid(unsafe_code)]

mod application;
mod keys;
mod tasks;
mod values;
mod views;

pub use application::{Application, ApplicationCommand, ApplicationEvent, ApplicationRejection, Receipt, Registration};
pub use tasks::Task;
pub use values::{Channel, Department, Group, Resource};
pub use views::{CaseFile, CaseStatus, DepartmentMonth, ResourceWorkload, Step};

polder_sdk::domain! {
    name: "permits",
    aggregates: [Application],
    projections: [CaseFile, ResourceWorkload, DepartmentMonth],
}
