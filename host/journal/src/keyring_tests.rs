use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};

use super::folder::parse;
use super::*;

fn tenant() -> TenantName {
    TenantName::new("acme").unwrap()
}

fn other() -> TenantName {
    TenantName::new("other").unwrap()
}

fn file(folder: &Path) -> PathBuf {
    folder.join("acme.key")
}

/// Makes a folder with a key for `acme`.
fn made() -> (tempfile::TempDir, Keyring) {
    let folder = tempfile::tempdir().unwrap();
    let keys = Keyring::open(folder.path()).unwrap();
    keys.create(&tenant()).unwrap();
    (folder, keys)
}

fn problem_in(folder: &Path) -> String {
    let keys = Keyring::open(folder).unwrap();
    assert!(!keys.has(&tenant()));
    keys.problem(&tenant()).expect("there is one").to_string()
}

#[test]
fn a_key_outlives_the_process_until_it_is_destroyed() {
    let (folder, keys) = made();
    let bytes = fs::read(file(folder.path())).unwrap();
    keys.create(&tenant()).unwrap();
    assert_eq!(fs::read(file(folder.path())).unwrap(), bytes, "there is one already");
    assert_eq!(Keyring::open(folder.path()).unwrap().check_of(&tenant()), keys.check_of(&tenant()));
    keys.destroy(&tenant()).unwrap();
    keys.destroy(&tenant()).unwrap();
    assert!(!keys.has(&tenant()) && !Keyring::open(folder.path()).unwrap().has(&tenant()));
    assert_eq!(keys.problem(&tenant()), None, "it has none, and is to have none");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn two_tenants_have_two_keys() {
    let (folder, keys) = made();
    keys.create(&other()).unwrap();
    assert_ne!(keys.check_of(&tenant()), keys.check_of(&other()));
    assert_ne!(fs::read(file(folder.path())).unwrap(), fs::read(folder.path().join("other.key")).unwrap());
    keys.destroy(&other()).unwrap();
    assert!(keys.has(&tenant()));
}

#[test]
fn every_flipped_bit_and_every_other_length_is_found_and_concerns_that_tenant_alone() {
    let (folder, keys) = made();
    keys.create(&other()).unwrap();
    let whole = fs::read(file(folder.path())).unwrap();
    for bit in 0..whole.len() * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(file(folder.path()), flipped).unwrap();
        let problem = problem_in(folder.path());
        assert!(problem.contains("acme.key is damaged"), "bit {bit}: {problem}");
    }
    for length in (0..whole.len()).chain([whole.len() + 1, 10_000]) {
        fs::write(file(folder.path()), whole.iter().copied().cycle().take(length).collect::<Vec<_>>()).unwrap();
        let problem = problem_in(folder.path());
        assert!(problem.contains("acme.key is damaged"), "{length} bytes: {problem}");
    }
    assert!(Keyring::open(folder.path()).unwrap().has(&other()));
    fs::write(file(folder.path()), whole).unwrap();
    assert!(Keyring::open(folder.path()).unwrap().has(&tenant()));
}

/// A file may contain anything. Random bytes are never accepted as a key, and nothing panics.
#[test]
fn no_random_bytes_are_a_key() {
    let mut random = 1_u64;
    for length in (0..200).chain([10_000]) {
        let bytes: Vec<u8> = (0..length)
            .map(|_| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (random >> 56) as u8
            })
            .collect();
        assert!(parse(&tenant(), &bytes).is_err(), "{length} bytes");
    }
}

#[test]
fn the_key_of_another_tenant_under_this_name_is_found() {
    let (folder, keys) = made();
    keys.create(&other()).unwrap();
    fs::copy(folder.path().join("other.key"), file(folder.path())).unwrap();
    assert!(problem_in(folder.path()).contains("the key of another tenant"));
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let (folder, _) = made();
    for mode in [0o640, 0o604, 0o620, 0o602, 0o666] {
        fs::set_permissions(file(folder.path()), Permissions::from_mode(mode)).unwrap();
        let problem = problem_in(folder.path());
        assert!(problem.contains(&format!("others (mode {mode:o}): `chmod 600` it")), "{problem}");
    }
    fs::set_permissions(file(folder.path()), Permissions::from_mode(0o400)).unwrap();
    assert!(Keyring::open(folder.path()).unwrap().has(&tenant()));
}

#[test]
fn only_the_expected_key_is_used_and_no_other_is_made_in_its_place() {
    let (folder, keys) = made();
    let (elsewhere, others) = made();
    let expected = keys.check_of(&tenant()).unwrap();
    let expecting = |folder: &Path| {
        let keys = Keyring::open(folder).unwrap();
        keys.expect([(tenant(), expected)]);
        keys
    };
    assert!(expecting(folder.path()).has(&tenant()));
    // This is an undamaged key, created for a tenant of the same name on another host.
    assert!(others.has(&tenant()));
    let keys = expecting(elsewhere.path());
    assert!(!keys.has(&tenant()) && keys.problem(&tenant()).unwrap().what.contains("is not the key"));
    fs::remove_file(file(folder.path())).unwrap();
    let keys = expecting(folder.path());
    assert_eq!(keys.problem(&tenant()).unwrap().what, "is missing");
    assert_eq!(keys.problems().into_keys().collect::<Vec<_>>(), [tenant()]);
    assert!(keys.create(&tenant()).unwrap_err().to_string().contains("acme.key is missing"));
    assert!(!file(folder.path()).exists());
}

#[test]
fn a_check_value_as_text_and_back() {
    let check = made().1.check_of(&tenant()).unwrap();
    assert_eq!(check.to_string().parse(), Ok(check));
    for text in ["", "00", "zz112233445566778899aabbccddeeff", "+0112233445566778899aabbccddeef"] {
        assert_eq!(text.parse::<KeyCheck>(), Err(KeyCheckError), "{text}");
    }
}

#[test]
fn reading_keys_creates_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    assert!(!Keyring::read(&keys).unwrap().has(&tenant()));
    assert!(!keys.exists());
}

/// A store that finishes storing a key when the test allows it, like a slow disk or network.
struct SlowStore {
    begun: Sender<()>,
    goes_on: Mutex<Receiver<()>>,
}

impl KeyStore for SlowStore {
    fn all(&self) -> io::Result<Vec<(TenantName, Kept)>> {
        Ok(vec![(tenant(), Ok([7; SECRET_BYTES]))])
    }

    fn find(&self, _: &TenantName) -> io::Result<Option<Kept>> {
        Ok(None)
    }

    fn keep(&self, _: &TenantName, secret: &Secret) -> io::Result<Secret> {
        self.begun.send(()).unwrap();
        self.goes_on.lock().unwrap().recv().unwrap();
        Ok(*secret)
    }

    fn erase(&self, _: &TenantName) -> io::Result<()> {
        Ok(())
    }

    fn place(&self, tenant: &TenantName) -> String {
        tenant.to_string()
    }
}

#[test]
fn readers_do_not_wait_while_a_key_is_stored() {
    let ((begun, has_begun), (go_on, goes_on)) = (channel(), channel());
    let store = SlowStore { begun, goes_on: Mutex::new(goes_on) };
    let keys = Keyring::kept_in(Box::new(store)).unwrap();
    std::thread::scope(|scope| {
        let creating = scope.spawn(|| keys.create(&other()));
        has_begun.recv().unwrap();
        // If the store were called with a lock held, these calls would never return.
        assert!(keys.has(&tenant()) && !keys.has(&other()) && keys.problem(&tenant()).is_none());
        go_on.send(()).unwrap();
        creating.join().unwrap().unwrap();
    });
    assert!(keys.has(&other()));
}
