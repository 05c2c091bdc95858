//! `guests/orders`, written without Polder: the same commands, events and rules, in plain serde types.
//! `tests/same_rules.rs` checks that both agree.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

const LINES_MAX: usize = 10_000;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Order {
    status: Status,
    customer: Option<String>,
    lines: BTreeMap<String, Line>,
    total: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    quantity: u32,
    price: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Status {
    #[default]
    New,
    Draft,
    Submitted,
    Validated,
    Fulfilled,
    Cancelled,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderCommand {
    DraftOrder(Draft),
    AddLine(NewLine),
    RemoveLine(OldLine),
    SubmitOrder,
    ValidateOrder,
    FulfilOrder,
    CancelOrder(Cancellation),
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Draft {
    customer: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct NewLine {
    sku: String,
    quantity: u32,
    price: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct OldLine {
    sku: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Cancellation {
    #[serde(default)]
    reason: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OrderEvent {
    OrderDrafted { customer: String },
    LineAdded { sku: String, quantity: u32, price: u64 },
    LineRemoved { sku: String, quantity: u32, price: u64 },
    OrderSubmitted { customer: String, lines: u32, total: u64 },
    OrderValidated { customer: String, total: u64 },
    OrderFulfilled { customer: String, total: u64 },
    OrderCancelled { customer: String, total: u64, reason: Option<String> },
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("there is no command {0:?}")]
    UnknownCommand(String),
    #[error("the payload is not what the command takes: {0}")]
    InvalidPayload(String),
    #[error("not in this status")]
    WrongStatus,
    #[error("{0} is on the order already")]
    AlreadyOnOrder(String),
    #[error("{0} is not on the order")]
    NotOnOrder(String),
    #[error("an order has at most {LINES_MAX} lines")]
    TooManyLines,
    #[error("an order without lines cannot be submitted")]
    NoLines,
}

impl OrderCommand {
    pub fn read(name: &str, payload: &str) -> Result<Self, Refused> {
        fn json<'a, T: Deserialize<'a>>(payload: &'a str) -> Result<T, Refused> {
            serde_json::from_str(payload).map_err(|error| Refused::InvalidPayload(error.to_string()))
        }
        let command = match name {
            "draft-order" => Self::DraftOrder(json(payload)?),
            "add-line" => Self::AddLine(json(payload)?),
            "remove-line" => Self::RemoveLine(json(payload)?),
            "submit-order" => Self::SubmitOrder,
            "validate-order" => Self::ValidateOrder,
            "fulfil-order" => Self::FulfilOrder,
            "cancel-order" => Self::CancelOrder(json(payload)?),
            _ => return Err(Refused::UnknownCommand(name.to_owned())),
        };
        command.check()?;
        Ok(command)
    }

    fn check(&self) -> Result<(), Refused> {
        let is_sku = |sku: &str| {
            (1..=32).contains(&sku.len())
                && sku.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-')
        };
        let is_good = match self {
            Self::AddLine(line) => {
                is_sku(&line.sku) && (1..=10_000).contains(&line.quantity) && line.price <= 10_000_000
            }
            Self::RemoveLine(line) => is_sku(&line.sku),
            _ => true,
        };
        if is_good { Ok(()) } else { Err(Refused::InvalidPayload(String::from("out of range"))) }
    }
}

impl OrderEvent {
    pub const NAMES: [&'static str; 7] = [
        "order-drafted",
        "line-added",
        "line-removed",
        "order-submitted",
        "order-validated",
        "order-fulfilled",
        "order-cancelled",
    ];

    pub fn name(&self) -> &'static str {
        let index = match self {
            Self::OrderDrafted { .. } => 0,
            Self::LineAdded { .. } => 1,
            Self::LineRemoved { .. } => 2,
            Self::OrderSubmitted { .. } => 3,
            Self::OrderValidated { .. } => 4,
            Self::OrderFulfilled { .. } => 5,
            Self::OrderCancelled { .. } => 6,
        };
        Self::NAMES[index]
    }
}

impl Order {
    pub fn decide(&self, command: &OrderCommand) -> Result<OrderEvent, Refused> {
        use OrderCommand::*;
        use OrderEvent::*;
        use Status::*;
        let total = self.total;
        let customer = || self.customer.clone().ok_or(Refused::WrongStatus);
        match (self.status, command) {
            (New, DraftOrder(draft)) => Ok(OrderDrafted { customer: draft.customer.clone() }),
            (Draft, AddLine(line)) if self.lines.contains_key(&line.sku) => {
                Err(Refused::AlreadyOnOrder(line.sku.clone()))
            }
            (Draft, AddLine(_)) if self.lines.len() >= LINES_MAX => Err(Refused::TooManyLines),
            (Draft, AddLine(NewLine { sku, quantity, price })) => {
                Ok(LineAdded { sku: sku.clone(), quantity: *quantity, price: *price })
            }
            (Draft, RemoveLine(OldLine { sku })) => match self.lines.get(sku) {
                Some(&Line { quantity, price }) => Ok(LineRemoved { sku: sku.clone(), quantity, price }),
                None => Err(Refused::NotOnOrder(sku.clone())),
            },
            (Draft, SubmitOrder) if self.lines.is_empty() => Err(Refused::NoLines),
            (Draft, SubmitOrder) => Ok(OrderSubmitted { customer: customer()?, lines: self.lines.len() as u32, total }),
            (Submitted, ValidateOrder) => Ok(OrderValidated { customer: customer()?, total }),
            (Validated, FulfilOrder) => Ok(OrderFulfilled { customer: customer()?, total }),
            (Draft | Submitted | Validated, CancelOrder(Cancellation { reason })) => {
                Ok(OrderCancelled { customer: customer()?, total, reason: reason.clone() })
            }
            _ => Err(Refused::WrongStatus),
        }
    }

    pub fn apply(&mut self, event: OrderEvent) {
        use OrderEvent::*;
        match event {
            OrderDrafted { customer } => {
                self.status = Status::Draft;
                self.customer = Some(customer);
            }
            LineAdded { sku, quantity, price } => {
                let line = Line { quantity, price };
                self.total += line.amount();
                self.lines.insert(sku, line);
            }
            LineRemoved { sku, .. } => {
                if let Some(line) = self.lines.remove(&sku) {
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
    fn amount(self) -> u64 {
        u64::from(self.quantity) * self.price
    }
}
