//! Tests as text: given, when, then.
//!
//! A case is a few lines. [`check`] runs it against the domain, and panics with the difference when the result is
//! another one.
//!
//! ```
//! # mod till {
//! # use polder_sdk::prelude::*;
//! # #[aggregate("till")] #[derive(Default)] pub struct Till { coins: u64 }
//! # #[derive(Command)] pub enum TillCommand { TakeIn { coins: u64 }, PayOut { coins: u64 } }
//! # #[derive(Event)] pub enum TillEvent { CoinsTakenIn { coins: u64 }, CoinsPaidOut { coins: u64 } }
//! # #[derive(Rejection)]
//! # pub enum TillRejection { #[rejection("there are {coins} coins only")] TooFewCoins { coins: u64 } }
//! # impl Aggregate for Till {
//! #     type Command = TillCommand; type Event = TillEvent; type Rejection = TillRejection;
//! #     fn handle(&self, command: TillCommand, _: &Context) -> Result<Vec<TillEvent>, TillRejection> {
//! #         match command {
//! #             TillCommand::TakeIn { coins } => Ok(vec![TillEvent::CoinsTakenIn { coins }]),
//! #             TillCommand::PayOut { coins } if coins > self.coins => {
//! #                 Err(TillRejection::TooFewCoins { coins: self.coins })
//! #             }
//! #             TillCommand::PayOut { coins } => Ok(vec![TillEvent::CoinsPaidOut { coins }]),
//! #         }
//! #     }
//! #     fn evolve(&mut self, event: &TillEvent) {
//! #         match event {
//! #             TillEvent::CoinsTakenIn { coins } => self.coins += coins,
//! #             TillEvent::CoinsPaidOut { coins } => self.coins -= coins,
//! #         }
//! #     }
//! # }
//! # domain! { name: "tills", aggregates: [Till] }
//! # }
//! # use till::domain;
//! use polder_sdk::testing::check;
//!
//! check(domain(), "
//!     given  coins-taken-in  coins=5
//!     when   pay-out         coins=3
//!     then   coins-paid-out  coins=3
//!     state  coins=2
//! ");
//! check(domain(), "
//!     given  coins-taken-in  coins=5
//!     when   pay-out         coins=6
//!     then   rejected        too-few-coins  there are 5 coins only
//! ");
//! ```
//!
//! # The lines of a case
//!
//! | line | meaning |
//! |---|---|
//! | `aggregate order o-1` | the aggregate; by default the domain's only one, with the id `case-1` |
//! | `given order-drafted customer=c-1` | an earlier event; `order-drafted@1` is one of version 1 |
//! | `at 2026-05-01T12:00:00Z` | the time from this line on; at first it is 2026-01-01T00:00:00Z |
//! | `actor clerk` | the actor of the command; by default there is none |
//! | `when add-line sku=TEA quantity=2` | the one command |
//! | `then line-added sku=TEA quantity=2` | the new events, all of them in this order; or `then nothing` |
//! | `then rejected no-lines` | the code of the rejection, and optional words that the message must contain |
//! | `state status=draft lines.TEA.quantity=2` | fields that the state must have afterwards; it may have others |
//!
//! The lines of a case of a projection:
//!
//! | line | meaning |
//! |---|---|
//! | `projection order-summary` | the projection |
//! | `given order/o-1 order-drafted customer=c-1` | an earlier event, and its aggregate |
//! | `then document o-1 status=draft` | a document and fields that it must have; each document needs a line |
//! | `then effect notify c-1 fulfilled:o-1 total=3` | an effect: kind, target, key and details; all, in order |
//! | `then nothing` | neither documents nor effects |
//!
//! Fields are written `name=value`; a value that parses as JSON is JSON (`2`, `true`, `"two words"`, `[1,2]`), any
//! other is text. A line may hold one JSON object instead of fields. Empty lines and lines that start with `#` are
//! ignored.
//!
//! # The same cases in the sandbox
//!
//! When the environment variable `POLDER_CASES_DIR` names a folder, each case that passes is written there as JSON. A
//! host can then repeat it through the compiled component, as `polder test` does.

use crate::domain::Domain;

mod case;
mod laws;
mod record;
mod run;
mod text;

pub use laws::{check_laws, check_projection_laws};

/// Runs a case.
/// # Panics
/// With the difference, when the result is not the one of the case; or with the line, when the case itself cannot be
/// read.
#[track_caller]
pub fn check(domain: &Domain, case: &str) {
    let ran = case::Case::parse(domain, case).and_then(|case| run::run(domain, &case));
    match ran {
        Ok(played) => record::keep(domain, &played),
        Err(problem) => panic!("{problem}"),
    }
}
