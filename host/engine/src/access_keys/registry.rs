//! The facts recorded of signing keys, and the keys that follow from them.

use std::collections::BTreeMap;

use polder_core::AggregateId;
use serde::{Deserialize, Serialize};

use super::answers::{AccessKey, Revocation};
use crate::control::{Fact, Recorded, Registry};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum KeyFact {
    /// A key was added. The caller has checked `public_key`, which is stored as given.
    KeyAdded {
        key: AggregateId,
        public_key: String,
    },
    KeyRevoked {
        key: AggregateId,
    },
}

/// All keys that ever existed.
#[derive(Debug, Default)]
pub(crate) struct Keys(BTreeMap<AggregateId, AccessKey>);

impl Fact for KeyFact {
    const DOMAIN: &'static str = "access";
    const AGGREGATE: &'static str = "key";

    fn aggregate_id(&self) -> AggregateId {
        let (Self::KeyAdded { key, .. } | Self::KeyRevoked { key }) = self;
        key.clone()
    }
}

impl Registry for Keys {
    type Fact = KeyFact;

    fn fold(&mut self, fact: KeyFact, noted: &Recorded) {
        let (at_ms, actor) = (noted.at_ms, noted.actor.clone());
        match fact {
            KeyFact::KeyAdded { key: id, public_key } => {
                let key = AccessKey { id: id.clone(), public_key, added_at_ms: at_ms, added_by: actor, revoked: None };
                self.0.insert(id, key);
            }
            KeyFact::KeyRevoked { key } => {
                if let Some(key) = self.0.get_mut(&key) {
                    key.revoked = Some(Revocation { at_ms, by: actor });
                }
            }
        }
    }
}

impl Keys {
    pub(crate) fn get(&self, id: &AggregateId) -> Option<&AccessKey> {
        self.0.get(id)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &AccessKey> {
        self.0.values()
    }
}
