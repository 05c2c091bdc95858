//! The application: received once, then processed task by task.

use std::collections::BTreeSet;

use polder_sdk::prelude::*;

use crate::tasks::Task;
use crate::values::{Channel, Department, Group, Resource};

/// An application for a permit, which is a case of the office. Its id is the id of the case.
#[aggregate("application")]
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Application {
    receipt: Option<Receipt>,
}

/// The facts about a received application that later decisions need.
#[data]
#[derive(Debug, Clone, PartialEq)]
pub struct Receipt {
    registration: Registration,
    /// The completion time of the last task; the confirmation of receipt is a task.
    last_at: Timestamp,
    /// Every resource that has worked on the case.
    resources: BTreeSet<Resource>,
}

/// The content of a registration. The command and its event carry the same fields.
#[data]
#[derive(Debug, Clone, PartialEq)]
pub struct Registration {
    pub channel: Channel,
    pub department: Department,
    /// The group of the case, if it has one.
    #[serde(default)]
    pub group: Option<Group>,
    /// The resource that is responsible for the case.
    pub responsible: Resource,
    pub started_at: Timestamp,
    pub deadline: Timestamp,
    pub planned_end: Timestamp,
    /// The time when the case ended, if it is known.
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
    /// The time when the receipt was confirmed.
    pub received_at: Timestamp,
    /// The resource that confirmed the receipt.
    pub resource: Resource,
    /// The group of the resource that confirmed the receipt.
    pub resource_group: Group,
}

/// The commands of an application.
#[derive(Debug, Clone, PartialEq, Command)]
pub enum ApplicationCommand {
    /// An application has come in and its receipt is confirmed: the first task of every case.
    RegisterApplication(Registration),
    /// A task has been completed for a registered application.
    RecordTask {
        task: Task,
        /// The resource that completed the task.
        resource: Resource,
        /// The group of the resource that completed the task.
        resource_group: Group,
        /// Not before the completion of the last recorded task.
        completed_at: Timestamp,
    },
}

/// The events of an application. Each event carries the values that the views add up, so that a view needs no other
/// event.
#[derive(Debug, Clone, PartialEq, Event)]
pub enum ApplicationEvent {
    /// An application was received, and its receipt confirmed.
    ApplicationRegistered(Registration),
    /// A task was completed.
    TaskRecorded {
        task: Task,
        resource: Resource,
        resource_group: Group,
        completed_at: Timestamp,
        /// The department of the case.
        department: Department,
        /// The time when the case was received.
        received_at: Timestamp,
        /// The time from the receipt to this task.
        lead_time_ms: u64,
        /// The time from the receipt to the task before this one.
        lead_time_before_ms: u64,
        /// Whether the resource worked on this case for the first time.
        resource_is_new: bool,
    },
}

/// The reasons to refuse a command.
#[derive(Debug, Clone, PartialEq, Rejection)]
pub enum ApplicationRejection {
    #[rejection("this application was registered before with other content, received at {received_at}")]
    AlreadyRegistered { received_at: Timestamp },
    #[rejection("this application is not registered yet: register-application comes first")]
    NotRegistered,
    #[rejection("the confirmation of receipt is recorded by register-application, once")]
    ReceiptIsNoTask,
    #[rejection("a task completed at {completed_at} lies before the last one of this case, at {last_at}")]
    TaskOutOfOrder { completed_at: Timestamp, last_at: Timestamp },
}

impl Aggregate for Application {
    type Command = ApplicationCommand;
    type Event = ApplicationEvent;
    type Rejection = ApplicationRejection;

    fn handle(&self, command: ApplicationCommand, _: &Context) -> Result<Vec<ApplicationEvent>, ApplicationRejection> {
        use ApplicationCommand::*;
        use ApplicationEvent::*;
        match (command, &self.receipt) {
            (RegisterApplication(registration), None) => Ok(vec![ApplicationRegistered(registration)]),
            // A clerk may send a registration twice. The second time there is nothing to do, and no event is recorded.
            (RegisterApplication(registration), Some(receipt)) if registration == receipt.registration => Ok(vec![]),
            (RegisterApplication(_), Some(receipt)) => {
                Err(ApplicationRejection::AlreadyRegistered { received_at: receipt.registration.received_at })
            }
            (RecordTask { .. }, None) => Err(ApplicationRejection::NotRegistered),
            (RecordTask { task: Task::ConfirmationOfReceipt, .. }, Some(_)) => {
                Err(ApplicationRejection::ReceiptIsNoTask)
            }
            (RecordTask { task, resource, resource_group, completed_at }, Some(receipt)) => {
                if completed_at < receipt.last_at {
                    let last_at = receipt.last_at;
                    return Err(ApplicationRejection::TaskOutOfOrder { completed_at, last_at });
                }
                Ok(vec![TaskRecorded {
                    task,
                    resource_is_new: !receipt.resources.contains(&resource),
                    resource,
                    resource_group,
                    department: receipt.registration.department.clone(),
                    received_at: receipt.registration.received_at,
                    lead_time_ms: receipt.lead_time_ms(&completed_at),
                    lead_time_before_ms: receipt.lead_time_ms(&receipt.last_at),
                    completed_at,
                }])
            }
        }
    }

    fn evolve(&mut self, event: &ApplicationEvent) {
        match event {
            ApplicationEvent::ApplicationRegistered(registration) => {
                self.receipt = Some(Receipt {
                    last_at: registration.received_at,
                    resources: BTreeSet::from([registration.resource.clone()]),
                    registration: registration.clone(),
                });
            }
            ApplicationEvent::TaskRecorded { resource, completed_at, .. } => {
                if let Some(receipt) = &mut self.receipt {
                    receipt.last_at = *completed_at;
                    receipt.resources.insert(resource.clone());
                }
            }
        }
    }
}

impl Receipt {
    fn lead_time_ms(&self, at: &Timestamp) -> u64 {
        // Never negative: `at` is not before the last task, and no task is before the receipt.
        at.ms_since(&self.registration.received_at).max(0).unsigned_abs()
    }
}
