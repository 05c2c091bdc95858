//! The load of `polder-bench commands`: every order is drafted, and then gets a line and loses it again, until the time
//! is over. Each command is accepted and records one event, so an append-only system appends that event.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Name and JSON of a command or an event.
type Message = (&'static str, &'static str);

const COMMANDS: [Message; 3] = [
    ("draft-order", r#"{"customer":"customer-17"}"#),
    ("add-line", r#"{"sku":"BIKE-BELL-40","quantity":2,"price":1999}"#),
    ("remove-line", r#"{"sku":"BIKE-BELL-40"}"#),
];

const EVENTS: [Message; 3] = [
    ("order-drafted", r#"{"customer":"customer-17"}"#),
    ("line-added", r#"{"sku":"BIKE-BELL-40","quantity":2,"price":1999}"#),
    ("line-removed", r#"{"sku":"BIKE-BELL-40","quantity":2,"price":1999}"#),
];

/// All orders, and the progress of each.
#[derive(Debug)]
pub struct Load {
    ids: Vec<Arc<str>>,
    next: Vec<AtomicUsize>,
}

/// The next command of one order.
#[derive(Debug, Clone)]
pub struct Step {
    pub id: Arc<str>,
    /// Counts from 0.
    pub number: usize,
}

/// The duration of a run.
#[derive(Debug, Clone, Copy)]
pub enum Span {
    /// One round over all orders.
    Round,
    Until(Instant),
}

impl Load {
    pub fn new(aggregates: usize) -> Self {
        let ids = (0..aggregates).map(|number| Arc::from(format!("order-{number}"))).collect();
        Self { ids, next: (0..aggregates).map(|_| AtomicUsize::new(0)).collect() }
    }

    /// The steps of one caller out of `callers`: its own share of the orders, round after round. No other caller uses
    /// these orders.
    pub(crate) fn steps(&self, caller: usize, callers: usize, span: Span) -> impl Iterator<Item = Step> + '_ {
        let round = (caller..self.ids.len()).step_by(callers);
        let rounds = match span {
            Span::Round => 1,
            Span::Until(_) if round.len() == 0 => 0,
            Span::Until(_) => usize::MAX,
        };
        std::iter::repeat_n(round, rounds)
            .flatten()
            .take_while(move |_| match span {
                Span::Round => true,
                Span::Until(end) => Instant::now() < end,
            })
            .map(|order| Step {
                id: Arc::clone(&self.ids[order]),
                number: self.next[order].fetch_add(1, Ordering::Relaxed),
            })
    }
}

impl Step {
    pub fn command(&self) -> Message {
        COMMANDS[self.kind()]
    }

    pub fn event(&self) -> Message {
        EVENTS[self.kind()]
    }

    fn kind(&self) -> usize {
        match self.number {
            0 => 0,
            line if line % 2 == 1 => 1,
            _ => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_share_all_orders_and_each_order_goes_on_where_it_was() {
        let load = Load::new(5);
        let mut ids: Vec<_> = (0..2).flat_map(|caller| load.steps(caller, 2, Span::Round)).collect();
        ids.sort_by(|one, other| one.id.cmp(&other.id));
        let first: Vec<_> = ids.iter().map(|step| (&*step.id, step.command().0)).collect();
        let drafted = ["order-0", "order-1", "order-2", "order-3", "order-4"].map(|id| (id, "draft-order"));
        assert_eq!(first, drafted);
        let second: Vec<_> = load.steps(0, 1, Span::Round).map(|step| step.event().0).collect();
        assert_eq!(second, ["line-added"; 5]);
        assert_eq!(load.steps(0, 5, Span::Round).map(|step| step.event().0).collect::<Vec<_>>(), ["line-removed"]);
    }
}
