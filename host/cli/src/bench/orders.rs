//! The commands all benches send: orders that get their lines, and then one line more and lose it again, for as long as asked. Every command
//! is accepted and records one event; a state stays as large as it was made. Sends nothing.

use std::cell::RefCell;
use std::ops::Range;

use anyhow::ensure;
use bytes::Bytes;
use polder_core::{AggregateId, AggregateName, Command, CommandId, CommandName, DomainName, TenantName};
use polder_engine::MAIN_TENANT;

use super::spread::{Draw, Spread};

const DRAFT: &[u8] = br#"{"customer":"customer-17"}"#;
const ADD: &[u8] = br#"{"sku":"BIKE-BELL-40","quantity":2,"price":1999}"#;
const REMOVE: &[u8] = br#"{"sku":"BIKE-BELL-40"}"#;
/// What an order records when it gets or loses its line, in bytes of JSON: the same both times, and no less than what was sent.
pub(super) const EVENT_PAYLOAD_BYTES: usize = ADD.len();

pub(super) struct Orders {
    /// What every order has from its preparation on.
    lines: usize,
    ids: Vec<AggregateId>,
    course: RefCell<Course>,
    tenants: Vec<TenantName>,
    domain: DomainName,
    aggregate: AggregateName,
    names: [CommandName; 3],
}

/// How far each order is, and which is next.
struct Course {
    draw: Draw,
    steps: Vec<usize>,
}

impl Orders {
    /// Orders of the main tenant that nobody has drafted yet.
    pub(super) fn new(count: usize, spread: Spread, lines: usize) -> anyhow::Result<Self> {
        Self::of_tenants(vec![TenantName::new(MAIN_TENANT)?], count, spread, lines)
    }

    /// As above, of these tenants in turn.
    pub(super) fn of_tenants(
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
            course: RefCell::new(Course { draw: Draw::new(spread, count), steps: vec![0; count] }),
            tenants,
            domain: DomainName::new("orders")?,
            aggregate: AggregateName::new("order")?,
            names: [CommandName::new("draft-order")?, CommandName::new("add-line")?, CommandName::new("remove-line")?],
        })
    }

    pub(super) fn count(&self) -> usize {
        self.ids.len()
    }

    /// Commands that make one order with its lines.
    pub(super) fn steps_to_prepare(&self) -> usize {
        1 + self.lines
    }

    /// From now on only these orders, in turn.
    pub(super) fn turn_to(&self, orders: Range<usize>) {
        self.draw_by(Draw::in_turn(orders));
    }

    /// From now on so; gives how it was until now.
    pub(super) fn draw_by(&self, draw: Draw) -> Draw {
        std::mem::replace(&mut self.course.borrow_mut().draw, draw)
    }

    /// The next command, and the number of its order. Whoever sends the commands of an order in the order they were made here sees all of
    /// them accepted.
    pub(super) fn next(&self) -> anyhow::Result<(usize, Command)> {
        let mut course = self.course.borrow_mut();
        let order = course.draw.next();
        let step = course.steps[order];
        course.steps[order] += 1;
        Ok((order, self.command(order, step)?))
    }

    /// The `step`-th command of an order: what makes it and its lines, then a line more and a line less in turn.
    fn command(&self, order: usize, step: usize) -> anyhow::Result<Command> {
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
            // As careful callers do: named, so that it could be repeated.
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
