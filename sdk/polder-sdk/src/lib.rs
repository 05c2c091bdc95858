//! Everything that the author of a domain needs. Nothing here depends on the host.
//!
//! A *domain* is one bounded context in one WebAssembly component. Its author writes states, enums and functions
//! without side effects. The attributes and derives of this crate turn them into a component that a Polder host can
//! run: it reads and writes JSON, describes itself, and exports the interface `polder:domain`.
//!
//! # The smallest domain
//!
//! ```
//! use polder_sdk::prelude::*;
//!
//! /// A till with coins in it.
//! #[aggregate("till")]
//! #[derive(Default)]
//! pub struct Till {
//!     coins: u64,
//! }
//!
//! #[derive(Command)]
//! pub enum TillCommand {
//!     TakeIn { coins: u64 },
//!     PayOut { coins: u64 },
//! }
//!
//! #[derive(Event)]
//! pub enum TillEvent {
//!     CoinsTakenIn { coins: u64 },
//!     CoinsPaidOut { coins: u64 },
//! }
//!
//! #[derive(Rejection)]
//! pub enum TillRejection {
//!     #[rejection("there are {coins} coins only")]
//!     TooFewCoins { coins: u64 },
//! }
//!
//! impl Aggregate for Till {
//!     type Command = TillCommand;
//!     type Event = TillEvent;
//!     type Rejection = TillRejection;
//!
//!     fn handle(&self, command: TillCommand, _: &Context) -> Result<Vec<TillEvent>, TillRejection> {
//!         match command {
//!             TillCommand::TakeIn { coins } => Ok(vec![TillEvent::CoinsTakenIn { coins }]),
//!             TillCommand::PayOut { coins } if coins > self.coins => {
//!                 Err(TillRejection::TooFewCoins { coins: self.coins })
//!             }
//!             TillCommand::PayOut { coins } => Ok(vec![TillEvent::CoinsPaidOut { coins }]),
//!         }
//!     }
//!
//!     fn evolve(&mut self, event: &TillEvent) {
//!         match event {
//!             TillEvent::CoinsTakenIn { coins } => self.coins += coins,
//!             TillEvent::CoinsPaidOut { coins } => self.coins -= coins,
//!         }
//!     }
//! }
//!
//! /// How often a till was used. The key is the till's id.
//! #[projection("till-usage")]
//! #[derive(Default)]
//! pub struct TillUsage {
//!     times: u64,
//! }
//!
//! impl Projection for TillUsage {
//!     type Event = TillEvent;
//!
//!     fn project(event: &Recorded<TillEvent>, documents: &mut Documents<Self>) {
//!         documents.upsert(&event.aggregate_id, |usage| usage.times += 1);
//!     }
//! }
//!
//! domain! {
//!     name: "tills",
//!     aggregates: [Till],
//!     projections: [TillUsage],
//! }
//!
//! # fn main() {
//! polder_sdk::testing::check(domain(), "
//!     given  coins-taken-in  coins=5
//!     when   pay-out         coins=6
//!     then   rejected        too-few-coins
//! ");
//! # }
//! ```
//!
//! Built for `wasm32-unknown-unknown` as a `cdylib`, this crate is the module of a component. Built natively it is a
//! plain library: tests and benchmarks call its [`Domain`] without any WebAssembly.
//!
//! # What a domain may know
//!
//! A function of a domain knows its arguments and nothing else. There is no clock, no randomness and no I/O; the time,
//! the actor and new ids come with the [`Context`]. The only output besides the results is a [`note`] to the host's
//! log, and a note returns nothing.
//!
//! # Rejections that the SDK adds
//!
//! - `invalid-payload`: the JSON does not fit the command. The message names the place and the expected form. Unknown
//!   fields are refused at any depth, except inside enums that serde has to buffer (`untagged`, internally tagged,
//!   `flatten`).
//! - `unknown-command`: the aggregate has no such command. A host refuses such a command before it calls the domain.
//! - `not-allowed-in-state`: the [`StateChart`](derive@StateChart) does not allow the command in this state. The
//!   message lists the commands that it allows.
//!
//! # Changing recorded events
//!
//! Event names and fields are storage format. A field with `#[serde(default)]` may be added without a new version:
//! older events lack it, and an older revision ignores it. Any other change is a new version with an upcaster: see
//! [`Event`](derive@Event).
#![cfg_attr(not(target_arch = "wasm32"), forbid(unsafe_code))]
#![cfg_attr(target_arch = "wasm32", deny(unsafe_code))]
#![warn(missing_docs)]

// The generated bindings refer to the SDK by the same name as guests do.
#[cfg(target_arch = "wasm32")]
extern crate self as polder_sdk;

mod aggregate;
mod chart;
mod compile_time;
mod context;
mod data;
mod describe;
mod domain;
mod finite;
mod id;
mod messages;
mod note;
mod payload;
mod place;
mod projection;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod timestamp;
mod value;
mod whole_numbers;

#[doc(hidden)]
pub mod __private;

pub use aggregate::{Aggregate, Command, Event, Rejection};
pub use chart::StateChart;
pub use context::Context;
pub use domain::{Document, Domain, State};
pub use id::Id;
pub use messages::{CommandRef, EventRef, Fault, NewEvent, Refused, Rejected};
pub use note::{Level, note};
pub use projection::{Documents, Effect, Effects, Projection, Recorded, Source};
pub use timestamp::Timestamp;
pub use value::{InvalidValue, NonEmptyText};

/// Turns an enum into the commands of an aggregate.
///
/// Each variant is a command. Its name is the variant's name in kebab-case (`AddLine` is `add-line`), or the name in
/// `#[command(name = "...")]`. Its payload is the JSON object of its named fields; a variant around one value,
/// `AddLine(NewLine)`, has the fields of that value. Doc comments become part of the description of the domain. Fields
/// accept serde's attributes for reading, such as `#[serde(default)]`.
///
/// ```
/// # use polder_sdk::prelude::*;
/// #[derive(Command)]
/// enum OrderCommand {
///     /// Puts an article on the order.
///     AddLine { sku: String, quantity: u32, #[serde(default)] gift: bool },
///     SubmitOrder,
/// }
///
/// let command = OrderCommand::read("add-line", br#"{ "sku": "TEA-250", "quantity": 2 }"#).unwrap();
/// assert_eq!(command.name(), "add-line");
/// let refused = OrderCommand::read("add-line", br#"{ "sku": "TEA-250", "quantity": "two" }"#).err().unwrap();
/// assert_eq!(refused.message, "`quantity`: invalid type: string \"two\", expected u32");
/// ```
pub use polder_sdk_macros::Command;

/// Turns an enum into the events of an aggregate.
///
/// Each variant is an event, named in the same way as a command: `LineAdded` is `line-added`, or the name in
/// `#[event(name = "...")]`. Names are storage format; choose them as if they could never change. Fields accept serde's
/// attributes `default`, `rename` and `skip_serializing_if`.
///
/// # Versions
///
/// Events begin at version 1. When the shape of an event changes, write `version = 2` and name a function that turns
/// the data of version 1 into the event. The function takes any type with [`#[data]`](macro@data). Each older version
/// needs its function, and each function leads to the newest shape.
///
/// ```
/// # use polder_sdk::prelude::*;
/// #[derive(Debug, PartialEq, Event)]
/// enum OrderEvent {
///     #[event(version = 2, upcast(1 = one_piece))]
///     LineAdded { sku: String, quantity: u32 },
/// }
///
/// #[data]
/// struct LineAdded1 { sku: String }
///
/// /// A line of version 1 was always one piece.
/// fn one_piece(old: LineAdded1) -> OrderEvent {
///     OrderEvent::LineAdded { sku: old.sku, quantity: 1 }
/// }
///
/// let event = OrderEvent::read("line-added", 1, br#"{ "sku": "TEA-250" }"#).unwrap();
/// assert_eq!(event, OrderEvent::LineAdded { sku: "TEA-250".to_owned(), quantity: 1 });
/// ```
pub use polder_sdk_macros::Event;

/// Turns an enum into the reasons to refuse a command.
///
/// The code of a rejection is the variant's name in kebab-case, or the name in `#[rejection("...", code = "...")]`. The
/// message is a format string that may use the variant's fields.
///
/// ```
/// # use polder_sdk::prelude::*;
/// #[derive(Rejection)]
/// enum OrderRejection {
///     #[rejection("an order has at most {lines_max} lines")]
///     TooManyLines { lines_max: usize },
/// }
///
/// let rejection = OrderRejection::TooManyLines { lines_max: 100 };
/// assert_eq!(rejection.code(), "too-many-lines");
/// assert_eq!(rejection.message(), "an order has at most 100 lines");
/// ```
pub use polder_sdk_macros::Rejection;

/// Turns an enum of states into the chart of an aggregate: its life cycle, declared, enforced and described.
///
/// Each state lists the moves that leave it: `#[on(Command -> Event -> State)]`. A command alone, `#[on(CancelOrder)]`,
/// is allowed in that state and leads to no event. Every command and every event of the aggregate must occur in the
/// chart. The aggregate keeps its state in a field that it names, `#[aggregate("order", chart = status)]`, and `evolve`
/// sets that field.
///
/// The chart uses the stored names of the states: kebab-case with [`#[data]`](macro@data), or the names given by
/// serde's `rename` and `rename_all`. To rename a state in the code only, keep its old name as `#[serde(rename =
/// "…")]`.
///
/// A command that the chart does not allow is rejected before `handle` runs, with the code `not-allowed-in-state`. A
/// decision is a [`Fault`] when the chart has no such event in the state, or when `evolve` leads to another state than
/// the chart. A replay does not check the chart, because a recorded event is a fact.
///
/// ```
/// # use std::convert::Infallible;
/// # use polder_sdk::prelude::*;
/// #[data]
/// #[derive(Default, StateChart)]
/// #[chart(aggregate = Door)]
/// enum Leaf {
///     #[default]
///     #[on(OpenDoor -> DoorOpened -> Open)]
///     Closed,
///     #[on(CloseDoor -> DoorClosed -> Closed, OpenDoor)]
///     Open,
/// }
///
/// #[aggregate("door", chart = leaf)]
/// #[derive(Default)]
/// struct Door { leaf: Leaf }
/// # #[derive(Command)] enum DoorCommand { OpenDoor, CloseDoor }
/// # #[derive(Event)] enum DoorEvent { DoorOpened, DoorClosed }
/// # impl Aggregate for Door {
/// #     type Command = DoorCommand; type Event = DoorEvent; type Rejection = Infallible;
/// #     fn handle(&self, command: DoorCommand, _: &Context) -> Result<Vec<DoorEvent>, Infallible> {
/// #         Ok(match (command, &self.leaf) {
/// #             (DoorCommand::OpenDoor, Leaf::Open) => vec![],
/// #             (DoorCommand::OpenDoor, _) => vec![DoorEvent::DoorOpened],
/// #             (DoorCommand::CloseDoor, _) => vec![DoorEvent::DoorClosed],
/// #         })
/// #     }
/// #     fn evolve(&mut self, event: &DoorEvent) {
/// #         self.leaf = match event { DoorEvent::DoorOpened => Leaf::Open, DoorEvent::DoorClosed => Leaf::Closed };
/// #     }
/// # }
/// # domain! { name: "doors", aggregates: [Door] }
/// # fn main() {
/// # polder_sdk::testing::check(domain(), "
/// #     when close-door
/// #   then rejected not-allowed-in-state close-door is not possible while the door is closed; possible now: open-door
/// # ");
/// # polder_sdk::testing::check(domain(), "
/// #     given door-opened
/// #     when open-door
/// #     then nothing
/// # ");
/// # }
/// ```
pub use polder_sdk_macros::StateChart;

/// Turns an enum of the events of several aggregates into the source of a projection.
///
/// ```
/// # use std::convert::Infallible;
/// # use polder_sdk::prelude::*;
/// # #[aggregate("order")] #[derive(Default)] struct Order;
/// # #[derive(Command)] enum OrderCommand { Submit }
/// # #[derive(Event)] enum OrderEvent { OrderSubmitted }
/// # impl Aggregate for Order {
/// #     type Command = OrderCommand; type Event = OrderEvent; type Rejection = Infallible;
/// #     fn handle(&self, _: OrderCommand, _: &Context) -> Result<Vec<OrderEvent>, Infallible> {
/// #         Ok(vec![OrderEvent::OrderSubmitted])
/// #     }
/// #     fn evolve(&mut self, _: &OrderEvent) {}
/// # }
/// # #[aggregate("offer")] #[derive(Default)] struct Offer;
/// # #[derive(Command)] enum OfferCommand { Make }
/// # #[derive(Event)] enum OfferEvent { OfferMade }
/// # impl Aggregate for Offer {
/// #     type Command = OfferCommand; type Event = OfferEvent; type Rejection = Infallible;
/// #     fn handle(&self, _: OfferCommand, _: &Context) -> Result<Vec<OfferEvent>, Infallible> {
/// #         Ok(vec![OfferEvent::OfferMade])
/// #     }
/// #     fn evolve(&mut self, _: &OfferEvent) {}
/// # }
/// #[derive(Source)]
/// enum Seen {
///     Order(OrderEvent),
///     Offer(OfferEvent),
/// }
///
/// #[projection("year")]
/// #[derive(Default)]
/// struct Year { offers: u64, orders: u64 }
///
/// impl Projection for Year {
///     type Event = Seen;
///
///     fn project(event: &Recorded<Seen>, documents: &mut Documents<Self>) {
///         let year = &event.at().date()[..4];
///         documents.upsert(year, |totals| match &event.data {
///             Seen::Order(OrderEvent::OrderSubmitted) => totals.orders += 1,
///             Seen::Offer(OfferEvent::OfferMade) => totals.offers += 1,
///         });
///     }
/// }
/// # domain! { name: "sales", aggregates: [Order, Offer], projections: [Year] }
/// # fn main() {
/// # polder_sdk::testing::check(domain(), "
/// #     projection year
/// #     given order/o-1 order-submitted
/// #     given offer/o-1 offer-made
/// #     given offer/o-2 offer-made
/// #     then document 2026 offers=2 orders=1
/// # ");
/// # }
/// ```
pub use polder_sdk_macros::Source;

/// Names an aggregate, `#[aggregate("order")]`, and makes its state storable: the type gets serde's derives and a JSON
/// schema. The state of an aggregate with a [chart](derive@StateChart) names the field that holds the state of the
/// chart: `#[aggregate("order", chart = status)]`.
///
/// The name is a segment of paths and subjects: 1 to 63 characters of `a-z`, `0-9` and `-`, beginning with a letter.
pub use polder_sdk_macros::aggregate;

/// Gives a struct or an enum a JSON form, for reading and writing, and a JSON schema. The parts of commands, events,
/// states and documents need it.
///
/// Variants of enums are written in kebab-case (`e-mail`), unless the type has serde's `rename_all` or `rename`.
pub use polder_sdk_macros::data;

/// Lists the aggregates and projections of a domain. It adds a function `domain()` that returns the native [`Domain`],
/// and on wasm32 the exports of the component. It stands once, in the root of the crate.
///
/// The build stops when two aggregates or two projections have the same name, or when a projection reads an aggregate
/// that is not in the list.
pub use polder_sdk_macros::domain;

/// Names a projection, `#[projection("order-summary")]`, and makes its documents storable: the type gets serde's
/// derives and a JSON schema.
///
/// A projection with one document per aggregate, whose key is the aggregate's id, declares that:
/// `#[projection("order-summary", per_aggregate)]`. The host then does not ask which documents an event touches, and
/// builds the view in little more than half of the time. An event that touches another document cannot be applied; the
/// host sets it aside with that reason.
pub use polder_sdk_macros::projection;

/// Turns a newtype into a value object: no code, not even in its own module, and no JSON can build it with a value that
/// its rules refuse.
///
/// | rule | for | meaning |
/// |---|---|---|
/// | `length = 1..=32` | `String` | the number of characters |
/// assert_eq!(
///     Sku::new("tea").unwrap_err().to_string(),
///     "\"tea\" is no Sku: it has 1 to 32 characters of A-Z0-9-",
/// );
/// | `range = 1..=100` | numbers | the smallest and the largest value |
/// | `check = function` | any | `fn(&T) -> bool`; needs a `rule` |
/// | `rule = "it has five letters"` | any | the text of the message, instead of the one derived from the rules |
///
/// Every given rule must hold, and the JSON schema includes them all. The type gets `new`, which fails with
/// [`InvalidValue`], a `TryFrom` that does the same, and read access: `as_str` for text, `get` for other types. A
/// number with a range also gets `of`, whose value the compiler checks.
///
/// ```
/// # use polder_sdk::prelude::*;
/// #[value_object(length = 1..=32, chars = "A-Z0-9-")]
/// #[derive(Debug, Clone, PartialEq)]
/// pub struct Sku(String);
///
/// #[value_object(range = 1..=10_000)]
/// #[derive(Debug, Clone, Copy, PartialEq)]
/// pub struct Quantity(u32);
///
/// # fn main() {
/// assert_eq!(Sku::new("TEA-250").unwrap().as_str(), "TEA-250");
/// assert_eq!(Sku::new("tea").unwrap_err().to_string(), "\"tea\" is no Sku: it has 1 to 32 characters of A-Z0-9-");
/// assert_eq!(Quantity::of::<1>().get(), 1);
/// # }
/// ```
pub use polder_sdk_macros::value_object;

/// Everything that an author's file usually needs, in one `use`.
pub mod prelude {
    pub use crate::{
        Aggregate, Command, Context, Documents, Effect, Event, Id, InvalidValue, NonEmptyText, Projection, Recorded,
        Rejection, Source, StateChart, Timestamp, aggregate, data, domain, projection, value_object,
    };
}
