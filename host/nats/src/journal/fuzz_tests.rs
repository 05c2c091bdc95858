//! Damaged files of the cluster's secret, and damaged messages in the journal's stream: each is refused, or is what a
//! host of the cluster wrote.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use bytes::Bytes;
use polder_fuzz::{Damage, run};

use super::message::{self, Message};
use super::secret::JournalSecret;

const CASES_MIN: u64 = 500;

/// A file for a secret. It is removed at the end of the test.
struct SecretFile(PathBuf);

impl SecretFile {
    fn new() -> Self {
        let file = std::env::temp_dir().join(format!("polder-{}", uuid::Uuid::new_v4()));
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        Self(file)
    }

    fn read(&self, bytes: &[u8]) -> Option<JournalSecret> {
        fs::write(&self.0, bytes).unwrap();
        JournalSecret::read(&self.0).ok().flatten()
    }
}

impl Drop for SecretFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn damaged_secret_files_are_refused_or_hold_the_digits_that_they_show() {
    let file = SecretFile::new();
    let digits = "0123456789abcdef".repeat(4);
    let damage =
        Damage::new([format!("{digits}\n"), digits.to_uppercase()], &["\n", "\r\n", " ", "+1", "g", "\0", "é"]);
    let counts = run(CASES_MIN, |random| {
        let bytes = damage.some_undamaged(random);
        let Some(secret) = file.read(&bytes) else { return false };
        let shown = std::str::from_utf8(&bytes).unwrap().trim_end().to_lowercase();
        assert!(shown.len() == digits.len() && shown.bytes().all(|digit| digit.is_ascii_hexdigit()), "{shown}");
        let again = file.read(shown.as_bytes()).unwrap();
        assert_eq!(again.marks("a-1").id(), secret.marks("a-1").id());
        true
    });
    counts.assert_both();
}

#[test]
fn damaged_messages_of_the_stream_are_no_frames() {
    let marks = SecretFile::new().read("a".repeat(64).as_bytes()).unwrap().marks("a-1");
    let frame = b"the bytes of a frame";
    let payloads = Damage::new([&frame[..]], &[]);
    let counts = run(CASES_MIN, |random| {
        let is_object = random.bool();
        let mut headers = message::headers(&marks, 7, frame, is_object.then_some("object-7"));
        let mut payload = frame.to_vec();
        match random.u8(..3) {
            0 => payload = payloads.bytes(random),
            1 => {
                let names = ["Polder-Frame", "Polder-Mark", "Polder-Object", "Polder-Digest"];
                let name = names[random.usize(..if is_object { 4 } else { 2 })];
                let value = headers.get(name).unwrap().as_str();
                let damaged = Damage::new([value], &["+", "0", " ", "8"]).text(random);
                // A line break cannot stand in a header.
                headers.insert(name, damaged.replace(['\r', '\n'], " ").as_str());
            }
            _ => {}
        }
        let payload = Bytes::from(payload);
        // Without marks the writer is unknown. Nothing may panic then.
        let _ = message::read(None, &headers, payload.clone());
        match message::read(Some(&marks), &headers, payload) {
            Message::Frame { number, content } => {
                assert_eq!((number, content.digest()), (7, blake3::hash(frame)));
                true
            }
            Message::Foreign => false,
        }
    });
    counts.assert_both();
}
