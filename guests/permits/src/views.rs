//! The read models of the office: a case, the work of a resource, and the month of a department.

use std::collections::BTreeMap;

use polder_sdk::prelude::*;

use crate::application::{ApplicationEvent, Registration};
use crate::keys::key;
use crate::tasks::Task;
use crate::values::Resource;

/// Everything about one case. The key is the id of the case.
#[projection("case-file", per_aggregate)]
#[derive(Debug, Clone, PartialEq)]
pub struct CaseFile {
    status: CaseStatus,
    registration: Registration,
    last_at: Timestamp,
    /// The time from the receipt to the last task so far.
    lead_time_ms: u64,
    /// The number of tasks so far, including the confirmation of receipt.
    tasks: u64,
    /// The tasks, in their order.
    path: Vec<Step>,
}

/// The progress of a case.
#[data]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaseStatus {
    /// Only the receipt has been confirmed.
    Received,
    /// Work has been done, and the end is not known.
    InProgress,
    /// The end is known.
    Ended,
}

/// One task of a case.
#[data]
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    task: Task,
    resource: Resource,
    at: Timestamp,
}

impl Projection for CaseFile {
    type Event = ApplicationEvent;

    fn project(event: &Recorded<ApplicationEvent>, documents: &mut Documents<Self>) {
        let case = &event.aggregate_id;
        match event.data.clone() {
            ApplicationEvent::ApplicationRegistered(registration) => documents.put(case, CaseFile::new(registration)),
            ApplicationEvent::TaskRecorded { task, resource, completed_at, lead_time_ms, .. } => {
                documents.change(case, |file| {
                    if file.status == CaseStatus::Received {
                        file.status = CaseStatus::InProgress;
                    }
                    file.last_at = completed_at;
                    file.lead_time_ms = lead_time_ms;
                    file.tasks += 1;
                    file.path.push(Step { task, resource, at: completed_at });
                });
            }
        }
    }
}

impl CaseFile {
    fn new(registration: Registration) -> Self {
        let received_at = registration.received_at;
        let receipt =
            Step { task: Task::ConfirmationOfReceipt, resource: registration.resource.clone(), at: received_at };
        Self {
            status: if registration.ended_at.is_some() { CaseStatus::Ended } else { CaseStatus::Received },
            registration,
            last_at: received_at,
            lead_time_ms: 0,
            tasks: 1,
            path: vec![receipt],
        }
    }
}

/// The work of one resource. The key is made from its name.
#[projection("resource-workload")]
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ResourceWorkload {
    resource: String,
    /// The number of all tasks, including confirmations of receipt.
    tasks: u64,
    by_task: BTreeMap<Task, u64>,
    /// The number of cases that it has worked on.
    cases: u64,
}

impl Projection for ResourceWorkload {
    type Event = ApplicationEvent;

    fn project(event: &Recorded<ApplicationEvent>, documents: &mut Documents<Self>) {
        let (resource, task, case_is_new) = match &event.data {
            ApplicationEvent::ApplicationRegistered(registration) => {
                (&registration.resource, Task::ConfirmationOfReceipt, true)
            }
            ApplicationEvent::TaskRecorded { resource, task, resource_is_new, .. } => {
                (resource, *task, *resource_is_new)
            }
        };
        documents.upsert(key(resource.as_str()), |workload| {
            if workload.tasks == 0 {
                workload.resource = resource.to_string();
            }
            workload.tasks += 1;
            *workload.by_task.entry(task).or_default() += 1;
            workload.cases += u64::from(case_is_new);
        });
    }
}

/// The cases that a department received in one month, and their lead times so far. The key is department and month:
/// `General_2011-10`. The month is that of the receipt, at the offset with which it was written.
#[projection("department-month")]
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DepartmentMonth {
    department: String,
    /// Year and month, such as `2011-10`.
    month: String,
    cases: u64,
    /// The number of tasks for these cases, including those of later months.
    tasks: u64,
    /// The sum over the cases of the time from the receipt to the last task so far.
    lead_time_ms_total: u64,
    /// The total divided by the cases, rounded down.
    lead_time_ms_mean: u64,
    /// The lead time of the case with the longest one.
    lead_time_ms_max: u64,
}

impl Projection for DepartmentMonth {
    type Event = ApplicationEvent;

    fn project(event: &Recorded<ApplicationEvent>, documents: &mut Documents<Self>) {
        let (department, received_at, cases, lead_time_ms, lead_time_before_ms) = match &event.data {
            ApplicationEvent::ApplicationRegistered(registration) => {
                (&registration.department, &registration.received_at, 1, 0, 0)
            }
            ApplicationEvent::TaskRecorded { department, received_at, lead_time_ms, lead_time_before_ms, .. } => {
                (department, received_at, 0, *lead_time_ms, *lead_time_before_ms)
            }
        };
        let month = received_at.year_month();
        documents.upsert(format!("{}_{month}", key(department.as_str())), |totals| {
            if totals.tasks == 0 {
                totals.department = department.to_string();
                totals.month = month;
            }
            totals.cases += cases;
            totals.tasks += 1;
            totals.lead_time_ms_total += lead_time_ms - lead_time_before_ms;
            totals.lead_time_ms_max = totals.lead_time_ms_max.max(lead_time_ms);
            totals.lead_time_ms_mean = totals.lead_time_ms_total / totals.cases.max(1);
        });
    }
}
