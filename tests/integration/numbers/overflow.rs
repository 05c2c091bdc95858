//! A sum that is too large for its type ends the call in the sandbox, as it ends a native test, and nothing is
//! recorded.

use polder_engine::{AsOf, SubmitError};
use serde_json::json;

use super::vaults;

#[tokio::test(flavor = "multi_thread")]
async fn a_count_that_is_too_large_does_not_wrap() {
    let folder = tempfile::tempdir().unwrap();
    let door = vaults(folder.path()).await;
    door.accept("v-1", "count", json!({ "by": u64::MAX })).await;
    match door.send("v-1", "count", json!({ "by": 2 })).await {
        Err(SubmitError::GuestFault { reason, .. }) => assert!(reason.contains("add with overflow"), "{reason}"),
        other => panic!("{other:?}"),
    }
    let (sequence, state) = door.state("v-1", AsOf::Now).await.unwrap();
    assert_eq!((sequence, state["count"].as_u64()), (1, Some(u64::MAX)));
    door.close().await;
}
