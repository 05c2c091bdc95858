//! A guest that leaks memory fails no caller. Earlier callers may have left the garbage that ended the instance, so the
//! command runs once more in a fresh one.

use polder_core::Limits;
use serde_json::json;

use crate::engine::door::Door;
use crate::isolation::metric;

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_leaks_fails_no_caller() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { memory_bytes_max: 32 * 1024 * 1024, ..Limits::DEFAULT };
    let door = Door::open_with(folder.path(), limits, "vault", "vault").await;
    for turn in 1_u64..=60 {
        let vault = format!("v-{}", turn % 3);
        assert_eq!(door.accept(&vault, "leak", json!({ "bytes": 3_000_000 })).await.sequence.0, turn.div_ceil(3));
    }
    assert!(metric(&door, "polder_guest_reruns_total") >= 4, "{}", door.host.metrics());
    assert_eq!(metric(&door, "polder_guest_faults_total"), 0);
    // A call that needs more than a fresh instance has is a failure.
    let error = door.send("v-1", "leak", json!({ "bytes": 100_000_000 })).await.unwrap_err();
    assert!(error.to_string().contains("(limit memory_bytes_max)"), "{error}");
    door.close().await;
}
