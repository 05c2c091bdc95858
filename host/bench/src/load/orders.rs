//! The commands of all benchmarks. Orders get their lines, and then one line is added and removed again, for as long as
//! needed. Every command is accepted and records one event, and a state keeps its size. Sends nothing.

use std::cell::RefCell;
use std::ops::Range;

use anyhow::ensure;
use bytes::Bytes;
use polder_core::{AggregateId, AggregateName, Command, CommandId, CommandName, DomainName, TenantName};
use polder_engine::MAIN_TENANT;

use crate::load::spread::{Draw, Spread};

const DRAFT: &[u8] = br#"{"customer":"customer-17"}"#;
const ADD: &[u8] = br#"{"sku":"BIKE-BELL-40","quantity":2,"price":1999}"#;
const REMOVE: &[u8] = br#"{"sku":"BIKE-BELL-40"}"#;
/// JSON bytes of the event when an order gets or loses a line. They are equal in both cases, and no less than what was
/// sent.
pub(crate) const EVENT_PAYLOAD_BYTES: usize = ADD.len();
/// Bytes of a typical record of these commands in the journal. The floors of the bare disk write as many per command.
pub(crate) const RECORD_BYTES: usize = 300;

pub(crate) struct Orders {
    /// Lines that every order has after its preparation.
    lines: usize,
    ids: Vec<AggregateId>,
    progress: RefCell<Progress>,
    tenants: Vec<TenantName>,
    domain: DomainName,
    aggregate: AggregateName,
    names: [CommandName; 3],
}

/// The progress of each order, and the choice of the next one.
struct Progress {
    draw: Draw,
    steps: Vec<usize>,
}

impl Orders {
    /// New orders of the main tenant.
    pub(crate) fn new(count: usize, spread: Spread, lines: usize) -> anyhow::Result<Self> {
        Self::of_tenants(vec![TenantName::new(MAIN_TENANT)?], count, spread, lines)
    }

    /// New orders of these tenants, in turn.
    pub(crate) fn of_tenants(
        tenants: Vec<TenantName>,
        count: usize,
        spread: Spread,
        lines: usize,
    ) -> anyhow::Result<Self> {
        ensure!(count > 0 && !tenants.is_empty(), "at least one aggregate and one tenant are needed");
        let ids = (0..count).map(|number| AggregateId::new(&format!("order-{number}"))).collect::<Result<_, _>>()?;
        Ok(Self {
            lines,
            ids,
            progress: RefCell::new(Progress { draw: Draw::new(spread, count), steps: vec![0; count] }),
            tenants,
            domain: DomainName::new("orders")?,
            aggregate: AggregateName::new("order")?,
            names: [CommandName::new("draft-order")?, CommandName::new("add-line")?, CommandName::new("remove-line")?],
        })
    }

    pub(crate) fn count(&self) -> usize {
        self.ids.len()
    }

    /// Number of commands that make one order with its lines.
    pub(crate) fn steps_to_prepare(&self) -> usize {
        1 + self.lines
    }

    /// Draws only these orders from now on, in turn.
    pub(crate) fn turn_to(&self, orders: Range<usize>) {
        self.draw_by(Draw::in_turn(orders));
    }

    /// Draws orders by `draw` from now on. Returns the draw that applied before.
    pub(crate) fn draw_by(&self, draw: Draw) -> Draw {
        std::mem::replace(&mut self.progress.borrow_mut().draw, draw)
    }

    /// The next command, and the number of its order. All commands of an order are accepted if they are sent in the
    /// order in which they were made here.
    pub(crate) fn next(&self) -> anyhow::Result<(usize, Command)> {
        let mut progress = self.progress.borrow_mut();
        let order = progress.draw.next();
        let step = progress.steps[order];
        progress.steps[order] += 1;
        Ok((order, self.command(order, step)?))
    }

    /// The `step`-th command of an order: first those that make it and its lines, then a line more and a line less in
    /// turn.
    pub(crate) fn command(&self, order: usize, step: usize) -> anyhow::Result<Command> {
        let (id, [draft, add, remove]) = (&self.ids[order], &self.names);
        let (name, payload) = match step.checked_sub(self.steps_to_prepare()) {
            None if step == 0 => (draft, Bytes::from_static(DRAFT)),
            None => (add, format!(r#"{{"sku":"PART-{step}","quantity":1,"price":250}}"#).into()),
            Some(timed) if timed % 2 == 0 => (add, Bytes::from_static(ADD)),
            Some(_) => (remove, Bytes::from_static(REMOVE)),
        };
        Ok(Command {
            tenant: self.tenants[order % self.tenants.len()].clone(),
            domain: self.domain.clone(),
            aggregate: self.aggregate.clone(),
            aggregate_id: id.clone(),
            name: name.clone(),
            payload,
            // The id makes a retry safe, as a careful client would.
            id: Some(CommandId::new(&format!("{id}-{step}"))?),
            expected_sequence: None,
            correlation_id: None,
            causation_id: None,
            actor: None,
            trail: polder_core::Trail::default(),
            retry_rejected: false,
        })
    }
}
