//! Arithmetic that the standard leaves open gives the same bits in every instance, on every run.

use polder_core::{AggregateId, AggregateName, DomainName, Sequence};
use polder_engine::MAIN_TENANT;

use super::yard::{Yard, tenant};

async fn found(yard: &Yard, id: &str) -> String {
    yard.send(id, "numbers").await.unwrap();
    let (domain, aggregate) = (DomainName::new("rogue").unwrap(), AggregateName::new("thing").unwrap());
    let id = AggregateId::new(id).unwrap();
    let events = yard
        .host
        .queries()
        .history(&tenant(MAIN_TENANT), &domain, &aggregate, &id, Sequence(1), 10)
        .await
        .unwrap()
        .events;
    events[0].payload.get().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_number_has_the_same_bits_everywhere() {
    // Quiet, positive, and without bits of the input: the ten wide ones and the four narrow ones.
    let expected = format!("[{}{}]", "\"7ff8000000000000\",".repeat(10), ["\"7fc00000\""; 4].join(","));
    for _ in 0..2 {
        let yard = Yard::open().await;
        for id in ["t-1", "t-2", "t-3", "t-4"] {
            assert_eq!(found(&yard, id).await, expected);
        }
    }
}
