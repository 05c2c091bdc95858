//! The host's clock begins at the newest time in the journal. So the times of an aggregate never go down, even if the
//! machine's clock was set back before a restart.

use std::time::{SystemTime, UNIX_EPOCH};

use polder_core::{
    AggregateId, AggregateName, CommandId, CommandName, ContentId, DomainName, EventName, Fingerprint, Revision,
    Sequence, TimestampMs, Trail,
};
use polder_engine::AsOf;
use polder_journal::{Decision, EncodedRecord, Journal, NewEvent, OpenOptions, Outcome};
use serde_json::json;

use super::door::{Door, tenant};

const HOUR_MS: u64 = 60 * 60 * 1_000;

fn an_hour_ahead() -> TimestampMs {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    TimestampMs(now.as_millis() as u64 + HOUR_MS)
}

/// The first event of order `o-1`, as a host with this clock records it.
fn drafted_at(at_ms: TimestampMs) -> EncodedRecord {
    let command_name = CommandName::new("draft-order").unwrap();
    let decision = Decision {
        tenant: tenant(),
        domain: DomainName::new("orders").unwrap(),
        aggregate: AggregateName::new("order").unwrap(),
        aggregate_id: AggregateId::new("o-1").unwrap(),
        revision_mark: Revision::of(b"r").mark(),
        command_id: CommandId::new("c-1").unwrap(),
        fingerprint: Fingerprint::of(&command_name, b"{}"),
        command_name,
        correlation_id: None,
        causation_id: None,
        actor: None,
        trail: Trail::default(),
        at_ms,
        outcome: Outcome::Accepted,
        sequence_before: Sequence::ZERO,
        events: vec![NewEvent {
            name: EventName::new("order-drafted").unwrap(),
            version: 1,
            payload: json!({ "customer": "c-1" }).to_string().into_bytes(),
        }],
    };
    EncodedRecord::encode(&decision, decision.aggregate_key(), &ContentId::NONE).0
}

/// The next event of the order is not earlier than the one from the future, and its time can be asked for.
async fn times_go_on_from(ahead: TimestampMs, door: &Door, sku: &str) {
    let ack = door.accept("o-1", "add-line", json!({ "sku": sku, "quantity": 1, "price": 2 })).await;
    let times: Vec<u64> = door.history("o-1").await.iter().map(|event| event.at_ms.0).collect();
    assert!(times.is_sorted() && times[0] == ahead.0, "{times:?}");
    let last = TimestampMs(*times.last().unwrap());
    let (sequence, _) = door.state("o-1", AsOf::Time(last)).await.unwrap();
    assert_eq!(sequence, ack.sequence.0, "the time that was just answered");
}

#[tokio::test(flavor = "multi_thread")]
async fn times_never_go_down_after_the_clock_was_set_back() {
    let folder = tempfile::tempdir().unwrap();
    Door::orders(folder.path()).await.close().await;
    // The journal of a host whose clock was an hour ahead.
    let ahead = an_hour_ahead();
    let (mut writer, reader, _) = Journal::open(folder.path(), OpenOptions::default()).unwrap();
    writer.append(&[drafted_at(ahead)]).unwrap();
    assert!(writer.newest_at_ms() >= ahead);
    writer.close().unwrap();
    drop(reader);

    for sku in ["TEA-0", "TEA-1"] {
        let door = Door::orders(folder.path()).await;
        times_go_on_from(ahead, &door, sku).await;
        door.close().await;
    }
}

/// The owner in between is a writer of the same journal; a host in another process would append the same frames.
#[tokio::test(flavor = "multi_thread")]
async fn times_never_go_down_after_a_takeover_from_a_host_whose_clock_is_ahead() {
    let folder = tempfile::tempdir().unwrap();
    let door = Door::orders(folder.path()).await;
    door.accept("o-2", "draft-order", json!({ "customer": "c-1" })).await;
    let ahead = an_hour_ahead();
    tokio::task::block_in_place(|| {
        let mut writer = door.host.step_down().expect("it owns the journal");
        writer.append(&[drafted_at(ahead)]).unwrap();
        door.host.followed(&[tenant()]).unwrap();
        door.host.lead(writer).unwrap();
    });
    times_go_on_from(ahead, &door, "TEA").await;
    // Times of other aggregates go on from there too.
    door.accept("o-2", "add-line", json!({ "sku": "TEA", "quantity": 1, "price": 2 })).await;
    assert!(door.history("o-2").await.last().unwrap().at_ms >= ahead);
    door.close().await;
}
