//! The value objects of the shop. None of them can hold a meaningless value.

use polder_sdk::prelude::*;

/// A customer. Another system keeps the customers; this domain knows only their ids.
pub enum Customer {}

/// The number of an article in the catalogue, such as `TEA-250`.
#[value_object(length = 1..=32, chars = "A-Z0-9-")]
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sku(String);

/// A number of pieces of one article.
#[value_object(range = 1..=10_000)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantity(u32);

/// The price of one piece, in minor units (cents).
#[value_object(range = 0..=10_000_000)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price(u64);

/// The reason for a cancellation, in the customer's words.
pub type Reason = NonEmptyText<200>;
