//! The streams of a journal, and the settings that they must have.

use std::collections::HashMap;

use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use polder_core::{JournalNumber, Journals};

/// Default name of a set of journals. Several sets can exist side by side.
pub const JOURNAL_NAME: &str = "polder";

/// Metadata key in each journal's stream of frames: the number of journals that tenants are divided among. It stays
/// with the frames, even when these are restored from a backup.
const COUNT: &str = "polder-journals";
/// Metadata key in the same stream: the id of the secret that the hosts of the cluster share.
const SECRET: &str = "polder-secret";

/// The names of everything that belongs to one journal.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    /// Name of the set that the journal belongs to.
    pub(crate) set: String,
    pub(crate) journal: String,
    pub(crate) frames: String,
    pub(crate) frames_subject: String,
    pub(crate) keys: String,
    pub(crate) objects: String,
    pub(crate) parcels: String,
    /// Prefix of the subjects of keys; the tenant's name follows.
    pub(crate) keys_prefix: String,
}

impl Names {
    /// Returns `None` if the name is not valid for streams and subjects.
    pub(crate) fn of(set: &str, number: JournalNumber) -> Option<Self> {
        let is_good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if set.is_empty() || set.len() > 32 || !set.bytes().all(is_good) {
            return None;
        }
        let journal = format!("{set}-{number}");
        Some(Self {
            set: set.to_owned(),
            frames: format!("{journal}-journal"),
            // No tenant's name begins with a dollar sign.
            frames_subject: format!("$polder.{journal}.frames"),
            keys: format!("{journal}-tenant-keys"),
            objects: format!("{journal}-objects"),
            parcels: format!("{journal}-parcels"),
            keys_prefix: format!("$polder.{journal}.keys."),
            journal,
        })
    }
}

/// Settings for frames: all are kept for ever, and only the whole stream can be deleted.
pub(crate) fn frames(names: &Names, replicas: usize, journals: Journals, secret_id: &str) -> Config {
    Config {
        name: names.frames.clone(),
        subjects: vec![names.frames_subject.clone()],
        description: Some("Polder's journal: one frame a message. Do not change it.".to_owned()),
        discard: DiscardPolicy::New,
        deny_delete: true,
        deny_purge: true,
        metadata: HashMap::from([(COUNT.to_owned(), journals.to_string()), (SECRET.to_owned(), secret_id.to_owned())]),
        ..kept(replicas)
    }
}

/// Number of journals in the set that these frames belong to. `None` if the metadata holds no valid number.
pub(crate) fn count(frames: &Config) -> Option<Journals> {
    frames.metadata.get(COUNT)?.parse().ok().and_then(Journals::new)
}

/// Id of the secret that the frames belong to.
pub(crate) fn secret_id(frames: &Config) -> Option<&String> {
    frames.metadata.get(SECRET)
}

/// Settings for the tenants' keys: one message each, which can be deleted, and is then overwritten.
pub(crate) fn keys(names: &Names, replicas: usize) -> Config {
    Config {
        name: names.keys.clone(),
        subjects: vec![format!("{}*", names.keys_prefix)],
        description: Some("Polder's tenant keys. With them, every tenant's history can be read.".to_owned()),
        discard: DiscardPolicy::New,
        deny_purge: true,
        ..kept(replicas)
    }
}

fn kept(replicas: usize) -> Config {
    Config {
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        num_replicas: replicas,
        max_messages: -1,
        max_bytes: -1,
        max_messages_per_subject: -1,
        max_consumers: -1,
        ..Config::default()
    }
}

/// Describes the first difference that matters; `None` if there is none.
pub(crate) fn difference(found: &Config, wanted: &Config) -> Option<String> {
    let differ = |what: &str, found: &dyn std::fmt::Debug, wanted: &dyn std::fmt::Debug| {
        let (found, wanted) = (format!("{found:?}"), format!("{wanted:?}"));
        (found != wanted).then(|| format!("{what} is {found}, it would have to be {wanted}"))
    };
    // The absence of a limit can be written in more than one way.
    let unlimited = |limit: i64| if limit <= 0 { -1 } else { limit };
    differ("its subjects", &found.subjects, &wanted.subjects)
        .or_else(|| differ("replicas", &found.num_replicas, &wanted.num_replicas))
        .or_else(|| differ("retention", &found.retention, &wanted.retention))
        .or_else(|| differ("storage", &found.storage, &wanted.storage))
        .or_else(|| differ("discard", &found.discard, &wanted.discard))
        .or_else(|| differ("deny_delete", &found.deny_delete, &wanted.deny_delete))
        .or_else(|| differ("deny_purge", &found.deny_purge, &wanted.deny_purge))
        .or_else(|| differ("max_age", &found.max_age, &wanted.max_age))
        .or_else(|| differ("max_msgs", &unlimited(found.max_messages), &-1))
        .or_else(|| differ("max_bytes", &unlimited(found.max_bytes), &-1))
        .or_else(|| differ("max_msgs_per_subject", &unlimited(found.max_messages_per_subject), &-1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_lose_frames_is_another_setting() {
        let wanted = frames(&Names::of("polder", JournalNumber::FIRST).unwrap(), 1, Journals::ONE, "x");
        assert_eq!(difference(&wanted, &wanted), None);
        let found = |change: fn(&mut Config)| {
            let mut config = wanted.clone();
            change(&mut config);
            difference(&config, &wanted).unwrap()
        };
        assert_eq!(found(|config| config.num_replicas = 3), "replicas is 3, it would have to be 1");
        assert!(found(|config| config.max_age = std::time::Duration::from_secs(60)).starts_with("max_age is 60s"));
        assert!(found(|config| config.storage = StorageType::Memory).starts_with("storage is Memory"));
        assert!(found(|config| config.max_messages = 5).contains("5"));
        assert!(found(|config| config.deny_delete = false).contains("deny_delete"));
    }

    #[test]
    fn a_name_has_to_be_one_for_streams() {
        assert_eq!(Names::of("a", JournalNumber::FIRST).unwrap().frames_subject, "$polder.a-1.frames");
        for name in ["", "a.b", "a b", "*", ">", "ä", &"x".repeat(33)] {
            assert!(Names::of(name, JournalNumber::FIRST).is_none(), "{name}");
        }
    }

    #[test]
    fn how_many_journals_there_are_stays_with_the_frames() {
        let three = Journals::new(3).unwrap();
        let mut config = frames(&Names::of("polder", JournalNumber::FIRST).unwrap(), 1, three, "x");
        assert_eq!(count(&config), Some(three));
        for text in ["0", "three", "65"] {
            config.metadata.insert(COUNT.to_owned(), text.to_owned());
            assert_eq!(count(&config), None, "{text}");
        }
        config.metadata.clear();
        assert_eq!(count(&config), None);
    }
}
