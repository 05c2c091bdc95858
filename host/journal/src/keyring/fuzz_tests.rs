//! Damaged key files, their names and their check values: a tenant has a key only if the file holds it in full.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use polder_core::TenantName;
use polder_fuzz::{Damage, run};

use super::folder::parse;
use super::{KeyCheck, Keyring, Secret};

const CASES_MIN: u64 = 500;
/// The longest file name of Linux, in bytes.
const FILE_NAME_BYTES_MAX: usize = 255;

fn tenant() -> TenantName {
    TenantName::new("main").unwrap()
}

fn key_file(secret: &Secret) -> Vec<u8> {
    [secret.as_slice(), &KeyCheck::of(&tenant(), secret).0].concat()
}

#[test]
fn damaged_key_files_are_refused() {
    let secret = std::array::from_fn(|at| at as u8);
    let (good, other) = (key_file(&secret), TenantName::new("other").unwrap());
    let damage = Damage::new([good.clone()], &[]);
    let counts = run(CASES_MIN, |random| {
        let bytes = damage.some_undamaged(random);
        assert!(parse(&other, &bytes).is_err(), "the key of another tenant");
        match parse(&tenant(), &bytes) {
            Ok(read) => {
                assert_eq!((read, &bytes), (secret, &good));
                true
            }
            Err(_) => false,
        }
    });
    counts.assert_both();
}

#[test]
fn a_folder_with_damaged_files_gives_a_key_to_no_tenant_but_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let good = key_file(&[7; 32]);
    let (contents, names) =
        (Damage::new([good.clone()], &[]), Damage::new(["main.key"], &[".key", ".", "MAIN", "é", " "]));
    let counts = run(CASES_MIN, |random| {
        let name = String::from_utf8_lossy(&names.some_undamaged(random)).into_owned();
        let is_file_name = !name.contains(['/', '\0']) && !["", ".", ".."].contains(&&*name);
        if !is_file_name || name.len() > FILE_NAME_BYTES_MAX {
            return false;
        }
        let content = if random.bool() { good.clone() } else { contents.bytes(random) };
        let file = folder.path().join(&name);
        fs::write(&file, &content).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        let keys = Keyring::read(folder.path()).unwrap();
        fs::remove_file(&file).unwrap();
        let owner = name.strip_suffix(".key").and_then(|owner| TenantName::new(owner).ok());
        let is_good = owner == Some(tenant()) && content == good;
        assert_eq!(keys.has(&tenant()), is_good, "{name:?}");
        let problems: Vec<_> = keys.problems().into_keys().collect();
        assert_eq!(problems, owner.into_iter().filter(|_| !is_good).collect::<Vec<_>>(), "{name:?}");
        is_good
    });
    counts.assert_both();
}

#[test]
fn damaged_check_values_are_refused_or_read_as_written() {
    let damage =
        Damage::new(["00112233445566778899aabbccddeeff", "0123456789ABCDEF0123456789ABCDEF"], &["+1", "0x", "é"]);
    let counts = run(CASES_MIN, |random| {
        let text = String::from_utf8_lossy(&damage.some_undamaged(random)).into_owned();
        let Ok(check) = text.parse::<KeyCheck>() else { return false };
        assert_eq!(check.to_string(), text.to_ascii_lowercase());
        assert_eq!(check.to_string().parse(), Ok(check));
        true
    });
    counts.assert_both();
}
