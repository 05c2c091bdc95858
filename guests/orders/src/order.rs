//! The order: its commands, its events and its rejections.

use std::collections::BTreeMap;

use polder_sdk::prelude::*;

use crate::values::{Customer, Price, Quantity, Reason, Sku};

/// With the largest quantity and price, a total stays under 10^15, which every JSON reader holds exactly.
const LINES_MAX: usize = 10_000;

/// An order of one customer.
#[aggregate("order", chart = status)]
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Order {
    status: Status,
    customer: Option<Id<Customer>>,
    lines: BTreeMap<Sku, Line>,
    /// The total in minor units.
    total: u64,
}

/// The quantity of one article, and its price.
#[data]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    quantity: Quantity,
    price: Price,
}

/// The status of an order, and the moves that are possible from it.
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

/// The commands of an order.
#[derive(Debug, Clone, PartialEq, Command)]
pub enum OrderCommand {
    /// Opens an order for a customer.
    DraftOrder { customer: Id<Customer> },
    /// Adds an article that is not on the order yet.
    AddLine { sku: Sku, quantity: Quantity, price: Price },
    /// Takes an article off the order.
    RemoveLine { sku: Sku },
    /// The customer has decided to buy.
    SubmitOrder,
    /// The shop confirms that it can and will deliver.
    ValidateOrder,
    /// The goods have left the shop.
    FulfilOrder,
    /// The order ends without a delivery.
    CancelOrder {
        #[serde(default)]
        reason: Option<Reason>,
    },
}

/// The events of an order. Later events repeat the customer and the total, so that a projection needs no other event.
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

/// Version 1 of `line-added`, in which a line was one piece.
#[data]
struct LineAdded1 {
    sku: Sku,
    price: Price,
}

fn one_piece(LineAdded1 { sku, price }: LineAdded1) -> OrderEvent {
    OrderEvent::LineAdded { sku, quantity: Quantity::of::<1>(), price }
}

/// The reasons to refuse a command. The chart refuses what the status does not allow.
#[derive(Debug, Clone, PartialEq, Rejection)]
pub enum OrderRejection {
    #[rejection("this order has not been drafted")]
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
