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

#[tokio::test(flavor = "multi_thread")]
async fn times_never_go_down_after_the_clock_was_set_back() {
    let folder = tempfile::tempdir().unwrap();
    Door::orders(folder.path()).await.close().await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    // The journal of a host whose clock was an hour ahead.
    let ahead = TimestampMs(now.as_millis() as u64 + HOUR_MS);
    let (mut writer, _reader, _) = Journal::open(folder.path(), OpenOptions::default()).unwrap();
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
        at_ms: ahead,
        outcome: Outcome::Accepted,
        sequence_before: Sequence::ZERO,
        events: vec![NewEvent {
            name: EventName::new("order-drafted").unwrap(),
            version: 1,
            payload: json!({ "customer": "c-1" }).to_string().into_bytes(),
        }],
    };
    let (record, _) = EncodedRecord::encode(&decision, decision.aggregate_key(), &ContentId::NONE);
    writer.append(&[record]).unwrap();
    assert!(writer.newest_at_ms() >= ahead);
    writer.close().unwrap();
    drop(_reader);

    for turn in 0..2 {
        let door = Door::orders(folder.path()).await;
        let line = json!({ "sku": format!("TEA-{turn}"), "quantity": 1, "price": 2 });
        let ack = door.accept("o-1", "add-line", line).await;
        let times: Vec<u64> = door.history("o-1").await.iter().map(|event| event.at_ms.0).collect();
        assert!(times.is_sorted() && times[0] == ahead.0, "{times:?}");
        let last = TimestampMs(*times.last().unwrap());
        let (sequence, _) = door.state("o-1", AsOf::Time(last)).await.unwrap();
        assert_eq!(sequence, ack.sequence.0, "the time that was just answered");
        door.close().await;
    }
}
