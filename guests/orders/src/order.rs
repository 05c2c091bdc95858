//! The order: what may be asked of it, what may happen to it, and when not.

use std::collections::BTreeMap;

use polder_sdk::prelude::*;

use crate::values::{Customer, Price, Quantity, Reason, Sku};

/// With the largest quantity and price, a total stays under 10^15: exact in every JSON reader.
const LINES_MAX: usize = 10_000;

/// An order of one customer.
#[aggregate("order", chart = status)]
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Order {
    status: Status,
    customer: Option<Id<Customer>>,
    lines: BTreeMap<Sku, Line>,
    /// In minor units.
    total: u64,
}

/// How much of one article, at which price.
#[data]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    quantity: Quantity,
    price: Price,
}

/// Where an order stands, and what may come next.
#[data]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, StateChart)]
#[chart(aggregate = Order)]
pub enum Status {
    #[default]
    #[on(DraftOrder -> OrderDrafted -> Draft)]
    New,
    #[on(AddLine -> LineAdded -> Draft)]
    #[on(RemoveLine -> LineRemoved -> Draft)]
    #[on(SubmitOrder -> OrderSubmitted -> Submitted)]
    #[on(CancelOrder -> OrderCancelled -> Cancelled)]
    Draft,
    #[on(ValidateOrder -> OrderValidated -> Validated)]
    #[on(CancelOrder -> OrderCancelled -> Cancelled)]
    Submitted,
    #[on(FulfilOrder -> OrderFulfilled -> Fulfilled)]
    #[on(CancelOrder -> OrderCancelled -> Cancelled)]
    Validated,
    Fulfilled,
    Cancelled,
}

/// What may be asked of an order.
#[derive(Debug, Clone, PartialEq, Command)]
pub enum OrderCommand {
    /// Opens an order for a customer.
    DraftOrder { customer: Id<Customer> },
    /// Puts an article on the order that is not on it yet.
    AddLine { sku: Sku, quantity: Quantity, price: Price },
    /// Takes an article off the order.
    RemoveLine { sku: Sku },
    /// The customer has decided.
    SubmitOrder,
    /// The shop can deliver, and will.
    ValidateOrder,
    /// The goods have left.
    FulfilOrder,
    /// Nothing will come of it.
    CancelOrder {
        #[serde(default)]
        reason: Option<Reason>,
    },
}

/// What may have happened to an order. Later events repeat the customer and the total, so that a reader needs no other event.
#[derive(Debug, Clone, PartialEq, Event)]
pub enum OrderEvent {
    OrderDrafted {
        customer: Id<Customer>,
    },
    #[event(version = 2, upcast(1 = one_piece))]
    LineAdded {
        sku: Sku,
        quantity: Quantity,
        price: Price,
    },
    LineRemoved {
        sku: Sku,
        quantity: Quantity,
        price: Price,
    },
    OrderSubmitted {
        customer: Id<Customer>,
        lines: u32,
        total: u64,
    },
    OrderValidated {
        customer: Id<Customer>,
        total: u64,
    },
    OrderFulfilled {
        customer: Id<Customer>,
        total: u64,
    },
    OrderCancelled {
        customer: Id<Customer>,
        total: u64,
        reason: Option<Reason>,
    },
}

/// The first version of `line-added`: a line was one piece.
#[data]
struct LineAdded1 {
    sku: Sku,
    price: Price,
}

fn one_piece(LineAdded1 { sku, price }: LineAdded1) -> OrderEvent {
    OrderEvent::LineAdded { sku, quantity: Quantity::of::<1>(), price }
}

/// Why not. What the status forbids is refused by the chart.
#[derive(Debug, Clone, PartialEq, Rejection)]
pub enum OrderRejection {
    #[rejection("nobody has drafted this order")]
    NotDrafted,
    #[rejection("{sku} is on the order already: remove it first to change it")]
    AlreadyOnOrder { sku: Sku },
    #[rejection("{sku} is not on the order")]
    NotOnOrder { sku: Sku },
    #[rejection("an order has at most {lines_max} lines")]
    TooManyLines { lines_max: usize },
    #[rejection("an order without lines cannot be submitted")]
    NoLines,
}

impl Aggregate for Order {
    type Command = OrderCommand;
    type Event = OrderEvent;
    type Rejection = OrderRejection;

    fn handle(&self, command: OrderCommand, _: &Context) -> Result<Vec<OrderEvent>, OrderRejection> {
        use OrderCommand::*;
        use OrderEvent::*;
        let total = self.total;
        let customer = || self.customer.clone().ok_or(OrderRejection::NotDrafted);
        let event = match command {
            DraftOrder { customer } => OrderDrafted { customer },
            AddLine { sku, .. } if self.lines.contains_key(&sku) => return Err(OrderRejection::AlreadyOnOrder { sku }),
            AddLine { .. } if self.lines.len() >= LINES_MAX => {
                return Err(OrderRejection::TooManyLines { lines_max: LINES_MAX });
            }
            AddLine { sku, quantity, price } => LineAdded { sku, quantity, price },
            RemoveLine { sku } => match self.lines.get(&sku) {
                Some(&Line { quantity, price }) => LineRemoved { sku, quantity, price },
                None => return Err(OrderRejection::NotOnOrder { sku }),
            },
            SubmitOrder if self.lines.is_empty() => return Err(OrderRejection::NoLines),
            SubmitOrder => OrderSubmitted { customer: customer()?, lines: self.lines.len() as u32, total },
            ValidateOrder => OrderValidated { customer: customer()?, total },
            FulfilOrder => OrderFulfilled { customer: customer()?, total },
            CancelOrder { reason } => OrderCancelled { customer: customer()?, total, reason },
        };
        Ok(vec![event])
    }

    fn evolve(&mut self, event: &OrderEvent) {
        use OrderEvent::*;
        match event {
            OrderDrafted { customer } => {
                self.status = Status::Draft;
                self.customer = Some(customer.clone());
            }
            LineAdded { sku, quantity, price } => {
                let line = Line { quantity: *quantity, price: *price };
                self.total += line.amount();
                self.lines.insert(sku.clone(), line);
            }
            LineRemoved { sku, .. } => {
                if let Some(line) = self.lines.remove(sku) {
                    self.total -= line.amount();
                }
            }
            OrderSubmitted { .. } => self.status = Status::Submitted,
            OrderValidated { .. } => self.status = Status::Validated,
            OrderFulfilled { .. } => self.status = Status::Fulfilled,
            OrderCancelled { .. } => self.status = Status::Cancelled,
        }
    }
}

impl Line {
    fn amount(&self) -> u64 {
        u64::from(self.quantity.get()) * self.price.get()
    }
}
