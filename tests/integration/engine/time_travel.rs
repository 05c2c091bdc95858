//! The state at a sequence or a time is built from the events up to it.

use polder_core::{Sequence, TimestampMs};
use polder_engine::{AsOf, ReadError};
use polder_tests::Random;

use super::door::Door;
use super::laws::{fold_natively, order_command};

#[tokio::test(flavor = "multi_thread")]
async fn the_past_is_the_fold_of_its_events() {
    let folder = tempfile::tempdir().unwrap();
    let door = Door::orders(folder.path()).await;
    let mut random = Random::seeded(7);
    door.accept("o-1", "draft-order", serde_json::json!({ "customer": "c-1" })).await;
    for _ in 0..200 {
        let (name, payload) = order_command(&mut random, false);
        door.send("o-1", name, payload).await.unwrap();
    }
    let history = door.history("o-1").await;
    assert!(history.len() > 50);
    for count in 1..=history.len() {
        let expected = (count as u64, fold_natively(orders::domain(), &history[..count]));
        assert_eq!(door.state("o-1", AsOf::Sequence(Sequence(count as u64))).await.unwrap(), expected);
    }
    for time in history.first().unwrap().at_ms.0..=history.last().unwrap().at_ms.0 + 1 {
        let by_then = history.iter().take_while(|event| event.at_ms.0 <= time).count();
        let expected = (by_then as u64, fold_natively(orders::domain(), &history[..by_then]));
        assert_eq!(door.state("o-1", AsOf::Time(TimestampMs(time))).await.unwrap(), expected);
    }

    let before = TimestampMs(history[0].at_ms.0 - 1);
    let error = door.state("o-1", AsOf::Time(before)).await.unwrap_err();
    assert!(matches!(error, ReadError::NoSuchAggregate { .. }), "{error}");
    for wrong in [0, history.len() as u64 + 1] {
        let error = door.state("o-1", AsOf::Sequence(Sequence(wrong))).await.unwrap_err();
        assert!(matches!(error, ReadError::NoSuchSequence { .. }), "{error}");
    }
}
