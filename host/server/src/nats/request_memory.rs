//! The memory that the requests of one tenant over NATS may hold, and the reply to a request that finds none.

use polder_core::MemoryBudget;
use polder_nats::service::{NoMemory, Reply, RequestMemory};

use crate::wire::http_status;
use crate::wire::problem::Problem;
use crate::wire::refusals::memory_exhausted;

/// The divisor of the memory budget for the requests of one tenant over NATS.
const TENANT_SHARE: u64 = 8;
/// Retry hint for a tenant whose requests hold their share, in milliseconds.
const BUSY_RETRY_MS: u64 = 1_000;

/// The memory for all requests of one tenant.
pub(super) fn of_tenant(host: &MemoryBudget) -> RequestMemory {
    RequestMemory::new(host, host.bytes_max() / TENANT_SHARE)
}

pub(super) fn refusal(no_memory: NoMemory) -> Reply {
    problem(no_memory).into()
}

fn problem(no_memory: NoMemory) -> Problem {
    match no_memory {
        NoMemory::Host(exhausted) => memory_exhausted(exhausted.to_string(), &exhausted),
        NoMemory::Share { used, bytes_max } => {
            let detail = format!(
                "the tenant's requests over NATS that are not answered yet hold {used} of {bytes_max} bytes: nothing \
                 was done, send it again later"
            );
            Problem::new(&http_status::BUSY, detail)
                .with_limit("nats_request_bytes_max", bytes_max)
                .retry_after_ms(BUSY_RETRY_MS)
        }
    }
}

#[cfg(test)]
mod tests {
    use polder_core::{MemoryExhausted, MemoryPurpose};

    use super::*;

    fn status_and_limit(problem: &Problem) -> (u16, serde_json::Value) {
        (problem.status().as_u16(), serde_json::to_value(problem.document()).unwrap()["limit_name"].clone())
    }

    #[test]
    fn a_refusal_names_the_limit() {
        let share = problem(NoMemory::Share { used: 7, bytes_max: 8 });
        assert_eq!(status_and_limit(&share), (429, "nats_request_bytes_max".into()));
        let purpose = MemoryPurpose::RequestBodies;
        let host = problem(NoMemory::Host(MemoryExhausted { purpose, asked: 1, used: 64, bytes_max: 64 }));
        assert_eq!(status_and_limit(&host), (503, "memory_bytes_max".into()));
    }
}
