//! The 27 tasks of the office. Their names are those of its log, with the original spelling.

use polder_sdk::prelude::*;

/// A kind of work on an application.
#[data]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Task {
    #[serde(rename = "Confirmation of receipt")]
    ConfirmationOfReceipt,
    #[serde(rename = "T02 Check confirmation of receipt")]
    T02,
    #[serde(rename = "T03 Adjust confirmation of receipt")]
    T03,
    #[serde(rename = "T04 Determine confirmation of receipt")]
    T04,
    #[serde(rename = "T05 Print and send confirmation of receipt")]
    T05,
    #[serde(rename = "T06 Determine necessity of stop advice")]
    T06,
    #[serde(rename = "T07-1 Draft intern advice aspect 1")]
    T07Aspect1,
    #[serde(rename = "T07-2 Draft intern advice aspect 2")]
    T07Aspect2,
    #[serde(rename = "T07-3 Draft intern advice hold for aspect 3")]
    T07Aspect3,
    #[serde(rename = "T07-4 Draft internal advice to hold for type 4")]
    T07Type4,
    #[serde(rename = "T07-5 Draft intern advice aspect 5")]
    T07Aspect5,
    #[serde(rename = "T08 Draft and send request for advice")]
    T08,
    #[serde(rename = "T09-1 Process or receive external advice from party 1")]
    T09Party1,
    #[serde(rename = "T09-2 Process or receive external advice from party 2")]
    T09Party2,
    #[serde(rename = "T09-3 Process or receive external advice from party 3")]
    T09Party3,
    #[serde(rename = "T09-4 Process or receive external advice from party 4")]
    T09Party4,
    #[serde(rename = "T10 Determine necessity to stop indication")]
    T10,
    #[serde(rename = "T11 Create document X request unlicensed")]
    T11,
    #[serde(rename = "T12 Check document X request unlicensed")]
    T12,
    #[serde(rename = "T13 Adjust document X request unlicensed")]
    T13,
    #[serde(rename = "T14 Determine document X request unlicensed")]
    T14,
    #[serde(rename = "T15 Print document X request unlicensed")]
    T15,
    #[serde(rename = "T16 Report reasons to hold request")]
    T16,
    #[serde(rename = "T17 Check report Y to stop indication")]
    T17,
    #[serde(rename = "T18 Adjust report Y to stop indicition")]
    T18,
    #[serde(rename = "T19 Determine report Y to stop indication")]
    T19,
    #[serde(rename = "T20 Print report Y to stop indication")]
    T20,
}
