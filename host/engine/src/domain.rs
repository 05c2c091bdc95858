//! One domain of a tenant, and the revision that is active now.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use polder_core::{AggregateName, DomainName, Revision, TenantName, subject};

use crate::health::{Health, Standing};
use crate::passage::{Passage, Passed};
use crate::pipeline::{Conduct, Ready};
use crate::rules::Rules;

pub(crate) struct Domain {
    pub(crate) name: DomainName,
    /// Asked for by every thread at every command.
    active: ArcSwap<Active>,
    /// Its commands that are on their way.
    pub(crate) passage: Passage,
    pub(crate) conduct: Conduct,
}

/// What a revision brings.
pub(crate) struct Active {
    pub(crate) revision: Revision,
    pub(crate) rules: Arc<dyn Rules>,
    /// Where each aggregate's events appear; part of every acknowledgement.
    subjects: HashMap<AggregateName, String>,
    pub(crate) health: Health,
    /// For the workers, to begin with.
    pub(crate) ready: Ready,
}

impl Active {
    pub(crate) fn new(tenant: &TenantName, rules: Arc<dyn Rules>, standing: Standing, ready: Ready) -> Arc<Self> {
        let descriptor = rules.descriptor();
        let stream = |aggregate: &AggregateName| subject::stream(tenant, &descriptor.domain, aggregate);
        let subjects = descriptor.aggregates.keys().map(|name| (name.clone(), stream(name))).collect();
        Arc::new(Self { revision: rules.revision(), rules, subjects, health: Health::new(standing), ready })
    }

    /// `None` for an aggregate that the revision does not have.
    pub(crate) fn stream_subject(&self, aggregate: &AggregateName) -> Option<&str> {
        self.subjects.get(aggregate).map(String::as_str)
    }
}

impl Domain {
    pub(crate) fn new(name: DomainName, active: Arc<Active>) -> Arc<Self> {
        Arc::new(Self { name, active: ArcSwap::new(active), passage: Passage::new(), conduct: Conduct::default() })
    }

    /// To be dropped soon: for longer, take a full [`Arc`] out of it.
    pub(crate) fn active(&self) -> Guard<Arc<Active>> {
        self.active.load()
    }

    /// Gives the commands that may still meet the revision before.
    pub(crate) fn activate(&self, active: Arc<Active>) -> Passed {
        self.active.store(active);
        // In this order: whoever sets out later meets the new one.
        self.passage.so_far()
    }
}
