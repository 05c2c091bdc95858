//! Replies: JSON, or a problem document with the error headers of NATS services.

use polder_nats::service::Reply;
use serde::Serialize;

use crate::wire::problem::Problem;

pub(super) fn good(value: &impl Serialize) -> Reply {
    Reply::good(json(value))
}

impl From<Problem> for Reply {
    fn from(problem: Problem) -> Self {
        Self::error(problem.status().as_u16(), problem.title(), json(&problem.document()))
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("answers have string keys only, and so always serialize")
}
