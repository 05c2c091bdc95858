//! The tutorial's domain: orders of a shop, from draft to fulfilment.
#![forbid(unsafe_code)]

mod order;
mod values;
mod views;

pub use order::{Line, Order, OrderCommand, OrderEvent, OrderRejection, Status};
pub use values::{Customer, Price, Quantity, Reason, Sku};
pub use views::{CustomerTotals, OrderSummary, Tally};

polder_sdk::domain! {
    name: "orders",
    aggregates: [Order],
    projections: [OrderSummary, CustomerTotals],
}
