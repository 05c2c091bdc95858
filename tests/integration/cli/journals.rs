//! `polder verify` and `polder salvage`, on a journal that is good, damaged or missing.

use std::path::{Path, PathBuf};

use polder_tests::{Host, polder};
use tempfile::tempdir;

use super::Desk;

/// A data folder of a stopped host, with some orders in it.
fn written() -> (tempfile::TempDir, String) {
    let desk = Desk::open();
    for number in 1..=20 {
        desk.host
            .client()
            .post(&format!("/v1/main/orders/order/o-{number}/draft-order"), r#"{"customer":"c-1"}"#)
            .json(200);
    }
    let (data, folder) = (desk.data(), desk.folder);
    desk.host.stop();
    (folder, data)
}

fn segment(data: &str) -> PathBuf {
    let mut files: Vec<_> =
        std::fs::read_dir(Path::new(data).join("journal")).unwrap().flatten().map(|file| file.path()).collect();
    files.sort();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "seg"));
    files.remove(0)
}

#[test]
fn a_good_journal_is_reported_with_its_head() {
    let (_folder, data) = written();
    let verified = polder(&["verify", "--data", &data]);
    // The deployment and the key are in the host's own history.
    assert!(
        verified.good().starts_with("good: 23 events of 22 aggregates, 23 commands (0 rejected), in "),
        "{verified}"
    );
    let json = polder(&["verify", "--data", &data, "--json"]).json();
    assert!(verified.good().contains(&format!("\nhead {}", json["head"].as_str().unwrap())), "{verified}");
    assert_eq!((&json["good"], &json["events"], &json["torn"]), (&true.into(), &23.into(), &serde_json::Value::Null));
}

#[test]
fn a_flipped_byte_is_reported_with_file_and_offset_and_earlier_events_are_saved() {
    let (folder, data) = written();
    let file = segment(&data);
    let mut bytes = std::fs::read(&file).unwrap();
    // The readable part of a record without its tenant's key: the tenant's name after its length.
    let records = bytes.windows(5).enumerate().filter(|(_, bytes)| bytes == b"\x04main");
    let place = records.map(|(place, _)| place + 20).nth(9).expect("the tenth order is in the journal");
    bytes[place] ^= 1;
    std::fs::write(&file, bytes).unwrap();

    let ran = polder(&["verify", "--data", &data]);
    let message = ran.refused();
    assert!(message.starts_with(&format!("error: the journal is damaged: {} at byte ", file.display())), "{message}");
    let offset: usize = message.split("at byte ").nth(1).unwrap().split(':').next().unwrap().parse().unwrap();
    assert!(offset <= place, "the damage at {place} is reported at {offset}");
    assert!(message.contains("run `polder salvage`"), "{message}");
    let serve = polder(&["serve", "--data", &data, "--listen", "127.0.0.1:0"]);
    assert_eq!((serve.code, serve.stdout.as_str()), (1, ""), "{serve}");
    assert!(serve.stderr.contains(&format!("{} at byte {offset}", file.display())), "{serve}");

    let out = folder.path().join("saved");
    let saved = polder(&["salvage", "--data", &data, "--out", out.to_str().unwrap(), "--json"]).json();
    assert_eq!((&saved["events"], &saved["stopped"]["offset"]), (&11.into(), &offset.into()), "{saved}");
    polder(&["verify", "--data", out.to_str().unwrap()]).good();
    let again = polder(&["salvage", "--data", &data, "--out", out.to_str().unwrap()]);
    assert!(again.refused().contains("saved"), "{again}");
}

/// The tenant's records cannot be read. That is not a good journal, although no byte of it is damaged.
#[test]
fn a_present_tenants_missing_key_is_reported_and_the_host_serves_the_others() {
    let (_folder, data) = written();
    let key = Path::new(&data).join("tenant-keys/main.key");
    std::fs::remove_file(&key).unwrap();
    let ran = polder(&["verify", "--data", &data]);
    assert_eq!(ran.code, 1, "{ran}");
    let message = format!("the key of tenant main: {} is missing; restore it", key.display());
    assert!(ran.stdout.starts_with("keys are missing: ") && ran.stdout.contains(&message), "{ran}");
    let ran = polder(&["verify", "--data", &data, "--json"]);
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.code, &json["good"], &json["sealed"]["main"]), (1, &false.into(), &20.into()), "{ran}");

    let host = Host::start(Path::new(&data));
    let client = host.client();
    let ready = client.get("/readyz").json(200);
    assert_eq!((&ready["writable"], &ready["degraded"][0]["tenant"]), (&true.into(), &"main".into()), "{ready}");
    client.post("/v1/main/orders/order/o-1/draft-order", "{}").problem(503, "tenant-unavailable");
    client.get("/v1/main/events").problem(503, "tenant-unavailable");
    client.request("PUT", "/v1/tenants/acme").send().json(201);
    assert!(!key.exists(), "no other key is made in its place");
    host.stop();
}

#[test]
fn a_folder_without_a_journal_is_distinguished_from_a_damaged_one() {
    let folder = tempdir().unwrap();
    let (empty, missing) = (folder.path().to_str().unwrap().to_owned(), folder.path().join("none"));
    let out = folder.path().join("out");
    for command in [&["verify"][..], &["salvage", "--out", out.to_str().unwrap()]] {
        let ran = polder(&[command, &["--data", &empty]].concat());
        let hint = "name the folder that `polder serve --data` was given";
        assert_eq!(ran.refused(), format!("error: {empty} holds no journal: {hint}"));
        let ran = polder(&[command, &["--data", missing.to_str().unwrap()]].concat());
        assert!(ran.refused().starts_with(&format!("error: there is no folder {}: ", missing.display())), "{ran}");
        assert!(!out.exists());
    }
}

#[test]
fn a_journal_in_use_can_be_verified() {
    let desk = Desk::open();
    desk.send("o-1", "draft-order", r#"{"customer":"c-1"}"#);
    assert!(polder(&["verify", "--data", &desk.data()]).good().starts_with("good: 4 events"));
    let (_folder, data) = written();
    let host = Host::start(Path::new(&data));
    polder(&["verify", "--data", &data]).good();
    drop(host);
}
