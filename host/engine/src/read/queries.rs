//! Queries of states, histories and events. Nothing here changes any data.

use std::io;
use std::sync::Arc;

use polder_core::{AggregateId, AggregateName, DomainName, Limits, Position, Sequence, TenantName};
use polder_journal::Reader;
use tokio::sync::watch;

use super::admission::{Patience, ReadAdmission};
use super::aggregate_address::AggregateAddress;
use super::answers::{AsOf, EventFilter, EventPage, HistoryPage, StateAnswer};
use super::event_domains::EventDomains;
use super::events::events;
use super::history::history;
use super::lane_readers::LaneReaders;
use super::lookup::{Found, find_domain, tenant_to_read};
use super::read_error::ReadError;
use super::state::StateRead;
use super::time_slice::{ReadStop, ReadTurn};
use crate::tenancy::{Tenant, TenantDirectory};

/// Answers queries of states, histories and events, each as one of its tenant's reads.
#[derive(Clone)]
pub struct Queries {
    directory: Arc<TenantDirectory>,
    readers: LaneReaders,
    reads: Arc<ReadAdmission>,
    event_domains: EventDomains,
}

impl Queries {
    /// # Errors
    /// Fails if the system cannot start a thread.
    pub(crate) fn new(
        directory: &Arc<TenantDirectory>,
        reader: &Reader,
        reads: &Arc<ReadAdmission>,
        fact_kinds: &'static [(&'static str, &'static str)],
    ) -> io::Result<Self> {
        let (event_domains, readers) = (EventDomains::new(directory, fact_kinds), LaneReaders::new(reader)?);
        Ok(Self { directory: Arc::clone(directory), readers, reads: Arc::clone(reads), event_domains })
    }

    pub async fn state(
        &self,
        tenant: &TenantName,
        domain: &DomainName,
        aggregate: &AggregateName,
        id: &AggregateId,
        as_of: AsOf,
    ) -> Result<StateAnswer, ReadError> {
        let found = self.find(tenant, domain, aggregate)?;
        let (tenant, mut reading) = (found.tenant, StateRead::new(self.readers.clone(), found.active, as_of));
        let (name, domain, aggregate, id) = (tenant.name.clone(), domain.clone(), aggregate.clone(), id.clone());
        let work = move |turn: &ReadTurn<'_>| {
            let address = AggregateAddress { tenant: &tenant, domain: &domain, aggregate: &aggregate, id: &id };
            reading.turn(turn, &address)
        };
        self.reads.run(&name, Patience::Bounded, work).await
    }

    /// One aggregate's events from sequence `from` on: at most `limit`, and at most one page. An empty page means that
    /// there are no more.
    pub async fn history(
        &self,
        tenant: &TenantName,
        domain: &DomainName,
        aggregate: &AggregateName,
        id: &AggregateId,
        from: Sequence,
        limit: usize,
    ) -> Result<HistoryPage, ReadError> {
        self.history_page(tenant, (domain, aggregate, id), from, limit, Patience::Bounded).await
    }

    /// Like [`history`](Self::history), for a further page of an answer that has begun: it is not refused when too many
    /// reads are waiting.
    pub async fn further_history(
        &self,
        tenant: &TenantName,
        domain: &DomainName,
        aggregate: &AggregateName,
        id: &AggregateId,
        from: Sequence,
        limit: usize,
    ) -> Result<HistoryPage, ReadError> {
        self.history_page(tenant, (domain, aggregate, id), from, limit, Patience::Stream).await
    }

    async fn history_page(
        &self,
        tenant: &TenantName,
        (domain, aggregate, id): (&DomainName, &AggregateName, &AggregateId),
        from: Sequence,
        limit: usize,
        patience: Patience,
    ) -> Result<HistoryPage, ReadError> {
        let (readers, tenant) = (self.readers.clone(), self.find_history(tenant, domain, aggregate)?);
        let (name, domain, aggregate, id) = (tenant.name.clone(), domain.clone(), aggregate.clone(), id.clone());
        let is_first = patience == Patience::Bounded;
        let work = move |turn: &ReadTurn<'_>| {
            let address = AggregateAddress { tenant: &tenant, domain: &domain, aggregate: &aggregate, id: &id };
            history(readers.of(turn), turn, &address, from, limit, is_first)
        };
        self.reads.run(&name, patience, work).await
    }

    /// The tenant's events after a position: at most `limit`, and at most one page. A page may be empty before the end
    /// of the history; the end is reached when `next` no longer advances.
    pub async fn events(
        &self,
        tenant: &TenantName,
        filter: &EventFilter,
        after: Position,
        limit: usize,
    ) -> Result<EventPage, ReadError> {
        let (tenant, work) = self.event_page(tenant, filter, after, limit)?;
        self.reads.run(&tenant, Patience::Bounded, work).await
    }

    /// Like [`events`](Self::events), for a further page of an answer that has begun: it is not refused when too many
    /// reads are waiting. `is_searching` means that the page before was empty. Such a search continues on the slow
    /// lane.
    pub async fn further_events(
        &self,
        tenant: &TenantName,
        filter: &EventFilter,
        after: Position,
        limit: usize,
        is_searching: bool,
    ) -> Result<EventPage, ReadError> {
        let (tenant, work) = self.event_page(tenant, filter, after, limit)?;
        match is_searching {
            false => self.reads.run(&tenant, Patience::Stream, work).await,
            true => self.reads.run_slowly(&tenant, Patience::Stream, work).await,
        }
    }

    /// The tenant's newest durable position, as a watch channel. Readers that follow the history wait on it.
    pub fn positions(&self, tenant: &TenantName) -> Result<watch::Receiver<Position>, ReadError> {
        Ok(tenant_to_read(&self.directory, tenant)?.positions.subscribe())
    }

    pub fn domain_names(&self, tenant: &TenantName) -> Result<Vec<DomainName>, ReadError> {
        Ok(tenant_to_read(&self.directory, tenant)?.domain_names())
    }

    pub fn limits(&self, tenant: &TenantName) -> Result<Limits, ReadError> {
        Ok(tenant_to_read(&self.directory, tenant)?.limits())
    }

    /// The tenant that owns the events, and the closure that reads a page of them.
    #[allow(clippy::type_complexity, reason = "a closure's type has no name that could be shorter")]
    fn event_page(
        &self,
        tenant: &TenantName,
        filter: &EventFilter,
        after: Position,
        limit: usize,
    ) -> Result<
        (TenantName, impl FnMut(&ReadTurn<'_>) -> Result<EventPage, ReadStop> + Send + 'static + use<>),
        ReadError,
    > {
        let tenant = tenant_to_read(&self.directory, tenant)?.name.clone();
        let (readers, filter, name) = (self.readers.clone(), filter.clone(), tenant.clone());
        Ok((tenant, move |turn: &ReadTurn<'_>| events(readers.of(turn), turn, &name, &filter, after, limit)))
    }

    /// The tenant whose history contains the aggregate's events.
    fn find_history(
        &self,
        tenant: &TenantName,
        domain: &DomainName,
        aggregate: &AggregateName,
    ) -> Result<Arc<Tenant>, ReadError> {
        if *tenant != self.directory.system().name {
            return Ok(self.find(tenant, domain, aggregate)?.tenant);
        }
        self.event_domains.check_fact_kind(domain, aggregate)?;
        Ok(Arc::clone(self.directory.system()))
    }

    fn find(&self, tenant: &TenantName, domain: &DomainName, aggregate: &AggregateName) -> Result<Found, ReadError> {
        let found = find_domain(&self.directory, tenant, domain)?;
        let known = &found.active.rules.descriptor().aggregates;
        if !known.contains_key(aggregate) {
            let known = known.keys().cloned().collect();
            return Err(ReadError::UnknownAggregate { domain: domain.clone(), aggregate: aggregate.clone(), known });
        }
        Ok(found)
    }

    /// Checks that the tenant's history can have events of the domain.
    ///
    /// # Errors
    /// Fails when the tenant has no such domain: as long as that is so, its history has no events of it.
    pub fn check_event_domain(&self, tenant: &TenantName, domain: &DomainName) -> Result<(), ReadError> {
        self.event_domains.check(tenant, domain)
    }

    /// An id that distinguishes a tenant's history from all others, even from that of a tenant of the same name on
    /// another host.
    pub fn history_id(&self, tenant: &TenantName) -> Result<String, ReadError> {
        let id = self.readers.fast.keys().history_id(tenant);
        id.ok_or_else(|| ReadError::UnknownTenant(tenant.clone()))
    }
}
