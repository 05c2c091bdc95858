//! Access keys are added, revoked and listed.

use std::sync::{Arc, Mutex, PoisonError};

use polder_core::AggregateId;

use super::answers::AccessKey;
use super::key_error::KeyError;
use super::registry::{KeyFact, Keys};
use crate::control::{AdministrativeAct, Control};

/// The access keys of the host.
#[derive(Clone)]
pub struct AccessKeys {
    control: Arc<Control>,
    registry: Arc<Mutex<Keys>>,
}

impl AccessKeys {
    pub(crate) fn new(control: &Arc<Control>, registry: Keys) -> Self {
        Self { control: Arc::clone(control), registry: Arc::new(Mutex::new(registry)) }
    }

    pub(crate) fn registry(&self) -> &Mutex<Keys> {
        &self.registry
    }

    /// All keys that were ever added, by id, including revoked ones.
    pub fn list(&self) -> Vec<AccessKey> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner).all().cloned().collect()
    }

    /// Adds a key. `public_key` is stored as it is given.
    pub async fn add(&self, id: &AggregateId, public_key: &str, actor: Option<&str>) -> Result<AccessKey, KeyError> {
        let (keys, id) = (self.clone(), id.clone());
        let (public_key, actor) = (public_key.to_owned(), actor.map(str::to_owned));
        let act = move |act: &mut AdministrativeAct<'_>| {
            if keys.get(&id).is_some() {
                return Err(KeyError::Known(id));
            }
            keys.record(act, &id, KeyFact::KeyAdded { key: id.clone(), public_key }, actor.as_deref())
        };
        self.control.administer(act).await
    }

    /// Revokes a key: from now on tokens signed with it are not accepted. Changes nothing if the key was revoked
    /// before.
    pub async fn revoke(&self, id: &AggregateId, actor: Option<&str>) -> Result<AccessKey, KeyError> {
        let (keys, id, actor) = (self.clone(), id.clone(), actor.map(str::to_owned));
        let act = move |act: &mut AdministrativeAct<'_>| {
            let key = keys.get(&id).ok_or_else(|| KeyError::Unknown(id.clone()))?;
            if key.revoked.is_some() {
                return Ok(key);
            }
            keys.record(act, &id, KeyFact::KeyRevoked { key: id.clone() }, actor.as_deref())
        };
        self.control.administer(act).await
    }

    fn get(&self, id: &AggregateId) -> Option<AccessKey> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    fn record(
        &self,
        act: &mut AdministrativeAct<'_>,
        id: &AggregateId,
        fact: KeyFact,
        actor: Option<&str>,
    ) -> Result<AccessKey, KeyError> {
        act.record(&self.registry, fact, actor).map_err(|error| KeyError::ReadOnly(error.to_string()))?;
        Ok(self.get(id).expect("what was recorded of a key is in the registry"))
    }
}
