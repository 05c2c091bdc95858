//! The read models of orders.

use polder_sdk::prelude::*;

use crate::order::{OrderEvent, Status};
use crate::values::{Customer, Price, Quantity};

/// One order, as its customer sees it. The key is the order's id.
#[projection("order-summary", per_aggregate)]
#[derive(Debug, Clone, PartialEq)]
pub struct OrderSummary {
    customer: Id<Customer>,
    status: Status,
    lines: u32,
    pieces: u64,
    /// The total in minor units.
    total: u64,
    drafted_at: Timestamp,
    changed_at: Timestamp,
}

impl Projection for OrderSummary {
    type Event = OrderEvent;

    fn project(event: &Recorded<OrderEvent>, documents: &mut Documents<Self>) {
        let (order, at) = (&event.aggregate_id, event.at());
        let mut turned = |status| {
            documents.change(order, |summary| {
                summary.status = status;
                summary.changed_at = at;
            });
        };
        match &event.data {
            OrderEvent::OrderSubmitted { .. } => turned(Status::Submitted),
            OrderEvent::OrderValidated { .. } => turned(Status::Validated),
            OrderEvent::OrderCancelled { .. } => turned(Status::Cancelled),
            OrderEvent::OrderFulfilled { customer, total } => documents.change(order, |summary| {
                summary.status = Status::Fulfilled;
                summary.changed_at = at;
                Effect::new("notify", customer.as_str(), format!("fulfilled:{order}"))
                    .with("order", order.as_str())
                    .with("total", *total)
            }),
            OrderEvent::OrderDrafted { customer } => documents.put(
                order,
                OrderSummary {
                    customer: customer.clone(),
                    status: Status::Draft,
                    lines: 0,
                    pieces: 0,
                    total: 0,
                    drafted_at: at,
                    changed_at: at,
                },
            ),
            OrderEvent::LineAdded { quantity, price, .. } => documents.change(order, |summary| {
                summary.lines += 1;
                summary.pieces += u64::from(quantity.get());
                summary.total += amount(*quantity, *price);
                summary.changed_at = at;
            }),
            OrderEvent::LineRemoved { quantity, price, .. } => documents.change(order, |summary| {
                summary.lines -= 1;
                summary.pieces -= u64::from(quantity.get());
                summary.total -= amount(*quantity, *price);
                summary.changed_at = at;
            }),
        }
    }
}

fn amount(quantity: Quantity, price: Price) -> u64 {
    u64::from(quantity.get()) * price.get()
}

/// The orders of one customer so far. The key is the customer's id.
#[projection("customer-totals")]
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CustomerTotals {
    submitted: Tally,
    fulfilled: Tally,
    /// Includes orders that were cancelled as drafts.
    cancelled: Tally,
}

/// A number of orders, and the sum of their totals.
#[data]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    orders: u64,
    /// The sum in minor units.
    total: u64,
}

impl Projection for CustomerTotals {
    type Event = OrderEvent;

    fn project(event: &Recorded<OrderEvent>, documents: &mut Documents<Self>) {
        match &event.data {
            OrderEvent::OrderSubmitted { customer, total, .. } => {
                documents.upsert(customer, |totals| totals.submitted.add(*total));
            }
            OrderEvent::OrderFulfilled { customer, total } => {
                documents.upsert(customer, |totals| totals.fulfilled.add(*total));
            }
            OrderEvent::OrderCancelled { customer, total, .. } => {
                documents.upsert(customer, |totals| totals.cancelled.add(*total));
            }
            OrderEvent::OrderDrafted { .. }
            | OrderEvent::LineAdded { .. }
            | OrderEvent::LineRemoved { .. }
            | OrderEvent::OrderValidated { .. } => {}
        }
    }
}

impl Tally {
    fn add(&mut self, total: u64) {
        self.orders += 1;
        self.total += total;
    }
}
