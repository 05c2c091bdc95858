//! The words of the shop. None of them can hold a value that makes no sense.

use polder_sdk::prelude::*;

/// Whoever orders. Customers are known elsewhere; here they are an id.
pub enum Customer {}

/// An article, as the catalogue writes it: `TEA-250`.
#[value_object(length = 1..=32, chars = "A-Z0-9-")]
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sku(String);

/// Pieces of one article.
#[value_object(range = 1..=10_000)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantity(u32);

/// What one piece costs, in minor units: cents.
#[value_object(range = 0..=10_000_000)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price(u64);

/// Why an order was cancelled, in the customer's words.
pub type Reason = NonEmptyText<200>;
