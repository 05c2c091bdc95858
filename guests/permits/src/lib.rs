//! A permit office: applications come in, and tasks are done for them. Made for the log of a real one.
#![forbid(unsafe_code)]

mod application;
mod keys;
mod tasks;
mod values;
mod views;

pub use application::{Application, ApplicationCommand, ApplicationEvent, ApplicationRejection, Receipt};
pub use tasks::Task;
pub use values::{Channel, Department, Group, Resource};
pub use views::{CaseFile, CaseStatus, DepartmentMonth, ResourceWorkload, Step};

polder_sdk::domain! {
    name: "permits",
    aggregates: [Application],
    projections: [CaseFile, ResourceWorkload, DepartmentMonth],
}
