//! The keys that access tokens are signed with: added, revoked, listed.

use std::sync::{Arc, PoisonError};

use polder_core::AggregateId;

use super::{Host, Inner};
use crate::access::KeyFact;
use crate::system::SystemStream;
use crate::{AccessKey, KeyError};

impl Host {
    /// All keys that were ever added, by id, including revoked ones.
    pub fn keys(&self) -> Vec<AccessKey> {
        self.inner.keys.lock().unwrap_or_else(PoisonError::into_inner).all().cloned().collect()
    }

    /// Adds a key. `public_key` is stored as it is given.
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

    /// Revokes a key: from now on tokens signed with it are not accepted. Changes nothing if the key was revoked
    /// before.
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
