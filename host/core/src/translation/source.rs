//! What a rule translates: a recorded event, or the message that another rule made from one.

use super::kind::EventKind;
use crate::Event;

/// The input of a rule.
pub(super) struct Source<'a> {
    /// The recorded event that everything was translated from.
    pub(super) event: &'a Event,
    pub(super) kind: &'a EventKind,
    pub(super) payload: &'a str,
}
