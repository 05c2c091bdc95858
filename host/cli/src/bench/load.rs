//! The load all benches share: orders that get their lines, and then one line more and lose it again, for as long as asked.
//! Every command is accepted and records one event; a state stays as large as it was made.

use std::num::NonZeroUsize;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use bytes::Bytes;
use futures::executor::block_on;
use futures::stream::{FuturesUnordered, TryStreamExt as _};
use polder_core::{AggregateId, AggregateName, Command, CommandId, CommandName, CommandStatus, DomainName, TenantName};
use polder_engine::{Host, MAIN_TENANT};

const DRAFT: &[u8] = br#"{"customer":"customer-17"}"#;
const ADD: &[u8] = br#"{"sku":"BIKE-BELL-40","quantity":2,"price":1999}"#;
const REMOVE: &[u8] = br#"{"sku":"BIKE-BELL-40"}"#;

/// One command of the load, for who sends it by other ways.
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) payload: Bytes,
}

impl Step {
    pub(super) const DRAFT: Self = Self { name: "draft-order", payload: Bytes::from_static(DRAFT) };

    /// What an order is sent in its `round`, once it is drafted.
    pub(super) fn timed(round: usize) -> Self {
        match round % 2 {
            0 => Self { name: "add-line", payload: Bytes::from_static(ADD) },
            _ => Self { name: "remove-line", payload: Bytes::from_static(REMOVE) },
        }
    }
}

pub(super) struct Load {
    pub(super) host: Host,
    pub(super) aggregates: usize,
    pub(super) in_flight: NonZeroUsize,
    /// What every order has from its preparation on.
    lines: usize,
    tenant: TenantName,
    domain: DomainName,
    aggregate: AggregateName,
    names: [CommandName; 3],
}

/// What one run gave.
pub(super) struct Run {
    pub(super) commands: usize,
    pub(super) took: Duration,
    pub(super) times: Vec<Duration>,
}

impl Load {
    pub(super) fn new(
        host: Host,
        aggregates: usize,
        in_flight: NonZeroUsize,
        lines: usize,
    ) -> anyhow::Result<Rc<Self>> {
        ensure!(aggregates >= in_flight.get(), "at least one aggregate for each command in flight is needed");
        Ok(Rc::new(Self {
            host,
            aggregates,
            in_flight,
            lines,
            tenant: TenantName::new(MAIN_TENANT)?,
            domain: DomainName::new("orders")?,
            aggregate: AggregateName::new("order")?,
            names: [CommandName::new("draft-order")?, CommandName::new("add-line")?, CommandName::new("remove-line")?],
        }))
    }

    /// As many steps make an order with its lines; the steps from there on are those to time.
    pub(super) fn preparation(&self) -> usize {
        1 + self.lines
    }

    /// The `step`-th command of an aggregate.
    pub(super) fn command(&self, id: &AggregateId, step: usize) -> anyhow::Result<Command> {
        let [draft, add, remove] = &self.names;
        let (name, payload) = match step.checked_sub(self.preparation()) {
            None if step == 0 => (draft, Bytes::from_static(DRAFT)),
            None => (add, format!(r#"{{"sku":"PART-{step}","quantity":1,"price":250}}"#).into()),
            Some(timed) if timed % 2 == 0 => (add, Bytes::from_static(ADD)),
            Some(_) => (remove, Bytes::from_static(REMOVE)),
        };
        Ok(Command {
            tenant: self.tenant.clone(),
            domain: self.domain.clone(),
            aggregate: self.aggregate.clone(),
            aggregate_id: id.clone(),
            name: name.clone(),
            payload,
            // As careful callers do: named, so that it could be repeated.
            id: Some(CommandId::new(&format!("{id}-{step}"))?),
            expected_sequence: None,
            correlation_id: None,
            causation_id: None,
            actor: None,
        })
    }

    /// Steps `steps` of every aggregate, `in_flight` commands at a time; each next one when the one before is acknowledged.
    pub(super) fn run(self: &Rc<Self>, steps: std::ops::Range<usize>) -> anyhow::Result<Run> {
        let began = Instant::now();
        // No more than a place to wait at: what a runtime does beside would count as the host's time.
        let callers: FuturesUnordered<_> =
            (0..self.in_flight.get()).map(|caller| Rc::clone(self).call(caller, steps.clone())).collect();
        let times: Vec<Vec<Duration>> = block_on(callers.try_collect())?;
        let times = times.concat();
        Ok(Run { commands: times.len(), took: began.elapsed(), times })
    }

    /// One caller: goes round its share of the aggregates, step by step.
    async fn call(self: Rc<Self>, caller: usize, steps: std::ops::Range<usize>) -> anyhow::Result<Vec<Duration>> {
        let own = (caller..self.aggregates).step_by(self.in_flight.get());
        let ids = own.map(|number| AggregateId::new(&format!("order-{number}"))).collect::<Result<Vec<_>, _>>()?;
        let mut times = Vec::with_capacity(ids.len() * steps.len());
        for step in steps {
            for id in &ids {
                let command = self.command(id, step)?;
                let began = Instant::now();
                let ack = self.host.submit(command).await?;
                times.push(began.elapsed());
                ensure!(ack.status == CommandStatus::Accepted, "{id} refused step {step}: {:?}", ack.reason);
            }
        }
        Ok(times)
    }
}
