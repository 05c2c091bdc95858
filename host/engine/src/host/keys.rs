//! The keys that tokens are signed with: made known, revoked, listed.

use std::sync::{Arc, PoisonError};

use polder_core::AggregateId;

use super::{Host, Inner};
use crate::access::KeyFact;
use crate::system::SystemStream;
use crate::{AccessKey, KeyError};

impl Host {
    /// Every key that was ever made known, also those that were revoked, by id.
    pub fn keys(&self) -> Vec<AccessKey> {
        self.inner.keys.lock().unwrap_or_else(PoisonError::into_inner).all().cloned().collect()
    }

    /// Makes a key known. `public_key` is kept as it is written.
    pub async fn add_key(
        &self,
        id: &AggregateId,
        public_key: &str,
        actor: Option<&str>,
    ) -> Result<AccessKey, KeyError> {
        let (id, public_key, actor) = (id.clone(), public_key.to_owned(), actor.map(str::to_owned));
        let act = move |inner: &Arc<Inner>, stream: &mut SystemStream| {
            if inner.key(&id).is_some() {
                return Err(KeyError::Known(id));
            }
            let fact = KeyFact::KeyAdded { key: id.clone(), public_key };
            inner.record_key(stream, &id, fact, actor.as_deref())
        };
        self.inner.administer(act).await
    }

    /// From now on the key does not count. Nothing happens to one that was revoked before.
    pub async fn revoke_key(&self, id: &AggregateId, actor: Option<&str>) -> Result<AccessKey, KeyError> {
        let (id, actor) = (id.clone(), actor.map(str::to_owned));
        let act = move |inner: &Arc<Inner>, stream: &mut SystemStream| {
            let key = inner.key(&id).ok_or_else(|| KeyError::Unknown(id.clone()))?;
            if key.revoked.is_some() {
                return Ok(key);
            }
            inner.record_key(stream, &id, KeyFact::KeyRevoked { key: id.clone() }, actor.as_deref())
        };
        self.inner.administer(act).await
    }
}

impl Inner {
    fn key(&self, id: &AggregateId) -> Option<AccessKey> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    fn record_key(
        &self,
        stream: &mut SystemStream,
        id: &AggregateId,
        fact: KeyFact,
        actor: Option<&str>,
    ) -> Result<AccessKey, KeyError> {
        self.record(stream, &self.keys, fact, actor).map_err(|error| KeyError::ReadOnly(error.to_string()))?;
        Ok(self.key(id).expect("what was recorded of a key is in the book"))
    }
}
