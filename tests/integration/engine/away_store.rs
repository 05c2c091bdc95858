//! A host that follows a journal gets its components from a store that all hosts share. While that store does not
//! answer, a domain is out of service for that reason, and comes back by itself.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use polder_core::{AggregateId, AggregateName, DomainName, Revision};
use polder_engine::{AsOf, ComponentStore, Host, ReadError};
use polder_journal::{Journal, Keyring, TENANT_KEYS_FOLDER};
use serde_json::json;

use super::door::{Door, component, options, tenant};

/// The longest wait for the next attempt, which comes after ten seconds at the latest.
const BACK_WAIT_MAX: Duration = Duration::from_secs(60);

struct Store {
    is_away: AtomicBool,
    bytes: Vec<u8>,
}

impl ComponentStore for Store {
    fn keep(&self, _: Revision, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn find(&self, _: Revision) -> io::Result<Option<Vec<u8>>> {
        match self.is_away.load(Ordering::SeqCst) {
            true => Err(io::Error::other("no server answers")),
            false => Ok(Some(self.bytes.clone())),
        }
    }

    fn remove(&self, _: Revision) -> io::Result<()> {
        Ok(())
    }
}

async fn state(host: &Host) -> Result<u64, ReadError> {
    let (domain, aggregate) = (DomainName::new("orders").unwrap(), AggregateName::new("order").unwrap());
    let id = AggregateId::new("o-1").unwrap();
    host.queries().state(&tenant(), &domain, &aggregate, &id, AsOf::Now).await.map(|answer| answer.sequence.0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_cannot_be_fetched_is_fetched_once_the_store_answers() {
    let folder = tempfile::tempdir().unwrap();
    let door = Door::orders(folder.path()).await;
    door.accept("o-1", "draft-order", json!({ "customer": "c-1" })).await;
    door.close().await;
    for derived in ["components", "compiled"] {
        std::fs::remove_dir_all(folder.path().join(derived)).unwrap();
    }
    let store = Arc::new(Store { is_away: AtomicBool::new(true), bytes: component("orders").to_vec() });
    let options = options(folder.path());
    let keys = Keyring::open(&folder.path().join(TENANT_KEYS_FOLDER)).unwrap();
    let (follower, reader, report) = Journal::open_copy(folder.path(), keys, options.journal()).unwrap();
    let shared = Arc::clone(&store) as Arc<dyn ComponentStore>;
    let host = Host::open_following(reader, report, shared, options).unwrap();

    let refused = state(&host).await.unwrap_err();
    assert!(matches!(refused, ReadError::DomainUnavailable { .. }), "{refused:?}");
    assert!(refused.to_string().contains("it tries again by itself"), "{refused}");
    assert_eq!(host.health().degraded.len(), 1);

    store.is_away.store(false, Ordering::SeqCst);
    let start = Instant::now();
    while state(&host).await.is_err() {
        assert!(start.elapsed() < BACK_WAIT_MAX, "{:?}", state(&host).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(state(&host).await.unwrap(), 1);
    assert_eq!(host.health().degraded, []);
    host.shutdown().await;
    drop(follower);
}
