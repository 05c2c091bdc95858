//! Damaged private keys, public keys and key ids: each is refused, or reads the same once it is written again.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use polder_fuzz::{Damage, run};

use crate::{KeyFolder, KeyId, PublicKey, SigningKey};

const CASES_MIN: u64 = 500;
const DIGITS: &str = "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7";

#[test]
fn damaged_key_files_are_refused_or_hold_the_same_key_once_they_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let (file, again) = (folder.path().join("a.key"), folder.path().join("b.key"));
    for file in [&file, &again] {
        fs::write(file, "").unwrap();
        fs::set_permissions(file, Permissions::from_mode(0o600)).unwrap();
    }
    let damage =
        Damage::new([format!("{DIGITS}\n"), DIGITS.to_uppercase()], &["\n", "\r\n", " ", "0x", "g", "\0", "é"]);
    let counts = run(CASES_MIN, |random| {
        fs::write(&file, damage.some_undamaged(random)).unwrap();
        let Ok(key) = KeyFolder::read_file(&file) else { return false };
        fs::write(&again, key.to_digits()).unwrap();
        assert_eq!(KeyFolder::read_file(&again).unwrap().public_key(), key.public_key());
        true
    });
    counts.assert_both();
}

#[test]
fn damaged_public_keys_and_ids_are_refused_or_read_as_written() {
    let public: PublicKey = DIGITS.parse::<SigningKey>().unwrap().public_key();
    let damage = Damage::new([public.to_string(), public.id().to_string()], &["key-", "0", "f", "F", "-"]);
    let counts = run(CASES_MIN, |random| {
        let text = String::from_utf8_lossy(&damage.some_undamaged(random)).into_owned();
        let (key, id) = (text.parse::<PublicKey>(), text.parse::<KeyId>());
        if let Ok(key) = key {
            assert_eq!(key.to_string().parse::<PublicKey>(), Ok(key));
            assert!(key.id().as_str().parse::<KeyId>().is_ok());
        }
        if let Ok(id) = &id {
            assert_eq!(id.as_str(), text);
        }
        key.is_ok() || id.is_ok()
    });
    counts.assert_both();
}
