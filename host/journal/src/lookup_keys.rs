//! Short keys in place of long names: of an aggregate, and of a command sent to it. Indexes and maps use them. Readers
//! compare the record they lead to with the full names.

use polder_core::{AggregateId, AggregateName, CommandId, DomainName, TenantName};

const KEY_BYTES: usize = 16;

/// One aggregate of one tenant: BLAKE3 over tenant, domain, aggregate and id, cut to 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AggregateKey(pub [u8; KEY_BYTES]);

impl AggregateKey {
    pub fn of(tenant: &TenantName, domain: &DomainName, aggregate: &AggregateName, id: &AggregateId) -> Self {
        Self::of_texts(tenant.as_str(), domain.as_str(), aggregate.as_str(), id.as_str())
    }

    pub(crate) fn of_texts(tenant: &str, domain: &str, aggregate: &str, id: &str) -> Self {
        let mut bytes = Vec::with_capacity(tenant.len() + domain.len() + aggregate.len() + id.len() + 3);
        for name in [tenant, domain, aggregate] {
            bytes.extend_from_slice(name.as_bytes());
            // No name contains a zero byte, so two different sets of names never give the same bytes.
            bytes.push(0);
        }
        bytes.extend_from_slice(id.as_bytes());
        Self(digest(&bytes))
    }
}

/// One command of one aggregate: BLAKE3 over the aggregate's key and the command's id, cut to 16 bytes. A command id is
/// unique only within its aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandKey(pub [u8; KEY_BYTES]);

impl CommandKey {
    pub fn of(aggregate: AggregateKey, command: &CommandId) -> Self {
        Self::of_texts(aggregate, command.as_str())
    }

    pub(crate) fn of_texts(aggregate: AggregateKey, command: &str) -> Self {
        let mut bytes = Vec::with_capacity(KEY_BYTES + command.len());
        bytes.extend_from_slice(&aggregate.0);
        bytes.extend_from_slice(command.as_bytes());
        Self(digest(&bytes))
    }
}

fn digest(bytes: &[u8]) -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    key.copy_from_slice(&blake3::hash(bytes).as_bytes()[..KEY_BYTES]);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_run_into_each_other() {
        let key = AggregateKey::of_texts("main", "orders", "order", "o-1");
        assert_eq!(key, AggregateKey::of_texts("main", "orders", "order", "o-1"));
        for other in [
            ("mai", "norders", "order", "o-1"),
            ("main", "order", "sorder", "o-1"),
            ("main", "orders", "ordero", "-1"),
            ("other", "orders", "order", "o-1"),
        ] {
            assert_ne!(key, AggregateKey::of_texts(other.0, other.1, other.2, other.3), "{other:?}");
        }
    }

    #[test]
    fn a_command_id_belongs_to_its_aggregate() {
        let (one, two) = (AggregateKey([1; KEY_BYTES]), AggregateKey([2; KEY_BYTES]));
        assert_eq!(CommandKey::of_texts(one, "c-1"), CommandKey::of_texts(one, "c-1"));
        assert_ne!(CommandKey::of_texts(one, "c-1"), CommandKey::of_texts(two, "c-1"));
        assert_ne!(CommandKey::of_texts(one, "c-1"), CommandKey::of_texts(one, "c-2"));
    }
}
