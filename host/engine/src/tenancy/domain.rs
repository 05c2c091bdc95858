//! One domain of a tenant, with its active revision.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use polder_core::{AggregateName, Command, DomainName, Revision, TenantName, subject};

use super::health::{Health, Probation};
use super::in_flight::{Drained, InFlight};
use super::lane_policy::LanePolicy;
use super::rules::Rules;
use super::submit_error::SubmitError;

pub(crate) struct Domain {
    pub(crate) name: DomainName,
    /// Read by every thread for every command.
    active: ArcSwap<Active>,
    /// The commands in flight.
    pub(crate) in_flight: InFlight,
    pub(crate) lane_policy: LanePolicy,
}

/// An active revision.
pub(crate) struct Active {
    pub(crate) revision: Revision,
    pub(crate) rules: Arc<dyn Rules>,
    /// The NATS subject of each aggregate's events. It is part of every acknowledgement.
    subjects: HashMap<AggregateName, String>,
    pub(crate) health: Health,
}

impl Active {
    pub(crate) fn new(tenant: &TenantName, rules: Arc<dyn Rules>, probation: Probation) -> Arc<Self> {
        let descriptor = rules.descriptor();
        let stream = |aggregate: &AggregateName| subject::stream(tenant, &descriptor.domain, aggregate);
        let subjects = descriptor.aggregates.keys().map(|name| (name.clone(), stream(name))).collect();
        Arc::new(Self { revision: rules.revision(), rules, subjects, health: Health::new(probation) })
    }

    /// # Errors
    /// Fails if the revision has no such aggregate or no such command. The error lists those that it has.
    pub(crate) fn check_names(&self, command: &Command) -> Result<(), SubmitError> {
        let aggregates = &self.rules.descriptor().aggregates;
        let Some(aggregate) = aggregates.get(&command.aggregate) else {
            let known = aggregates.keys().cloned().collect();
            let (domain, aggregate) = (command.domain.clone(), command.aggregate.clone());
            return Err(SubmitError::UnknownAggregate { domain, aggregate, known });
        };
        if aggregate.commands.contains_key(&command.name) {
            return Ok(());
        }
        let known = aggregate.commands.keys().cloned().collect();
        let (aggregate, command) = (command.aggregate.clone(), command.name.clone());
        Err(SubmitError::UnknownCommand { aggregate, command, known })
    }

    /// The subject of the stream of an aggregate. `None` if the revision does not have the aggregate.
    pub(crate) fn stream_subject(&self, aggregate: &AggregateName) -> Option<&str> {
        self.subjects.get(aggregate).map(String::as_str)
    }
}

impl Domain {
    pub(crate) fn new(name: DomainName, active: Arc<Active>) -> Arc<Self> {
        Arc::new(Self {
            name,
            active: ArcSwap::new(active),
            in_flight: InFlight::new(),
            lane_policy: LanePolicy::default(),
        })
    }

    /// The active revision. Drop the guard soon; to keep it longer, take a full [`Arc`] out of it.
    pub(crate) fn active(&self) -> Guard<Arc<Active>> {
        self.active.load()
    }

    /// Activates a revision. Returns the commands in flight that the former revision may still decide.
    pub(crate) fn activate(&self, active: Arc<Active>) -> Drained {
        self.active.store(active);
        // The order matters: the new revision decides all commands that begin later.
        self.in_flight.so_far()
    }
}
