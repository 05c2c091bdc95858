//! A guest that leaks costs no caller a failure: what ended the instance may be what others left behind, so the command is run once more,
//! in a fresh one.

use polder_core::Limits;
use serde_json::json;

use crate::engine::door::Door;
use crate::isolation::metric;

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_leaks_fails_for_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { memory_bytes_max: 32 * 1024 * 1024, ..Limits::DEFAULT };
    let door = Door::open_with(folder.path(), limits, "vault", "vault").await;
    for turn in 1_u64..=60 {
        let vault = format!("v-{}", turn % 3);
        assert_eq!(door.accept(&vault, "leak", json!({ "bytes": 3_000_000 })).await.sequence.0, turn.div_ceil(3));
    }
    assert!(metric(&door, "polder_guest_reruns_total") >= 4, "{}", door.host.metrics());
    assert_eq!(metric(&door, "polder_guest_faults_total"), 0);
    // What asks for more than there is in any instance is a failure all the same.
    let error = door.send("v-1", "leak", json!({ "bytes": 100_000_000 })).await.unwrap_err();
    assert!(error.to_string().contains("(limit memory_bytes_max)"), "{error}");
    door.close().await;
}
