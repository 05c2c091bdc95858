//! `polder serve` and `polder doctor`.

use polder_tests::{Host, polder};
use tempfile::tempdir;

use super::Desk;

#[test]
fn a_folder_in_use_is_refused_and_its_host_goes_on() {
    let desk = Desk::open();
    let data = desk.data();
    let ran = polder(&["serve", "--data", &data, "--listen", "127.0.0.1:0"]);
    assert_eq!(ran.refused(), format!("error: cannot serve {data}: {data} is in use by another host"));
    desk.send("o-1", "draft-order", r#"{"customer":"c-1"}"#);
}

#[test]
fn a_folder_that_cannot_be_used_is_reported() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let ran = polder(&["serve", "--data", file.to_str().unwrap(), "--listen", "127.0.0.1:0"]);
    assert!(ran.refused().starts_with(&format!("error: cannot serve {}: ", file.display())), "{ran}");
}

#[test]
fn an_address_in_use_is_reported_with_the_remedy() {
    let (desk, folder) = (Desk::open(), tempdir().unwrap());
    let address = desk.host.address().strip_prefix("http://").unwrap();
    let data = folder.path().join("data");
    let ran = polder(&["serve", "--data", data.to_str().unwrap(), "--listen", address]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran}");
    assert!(ran.stderr.contains(&format!("cannot listen on {address}: choose another address with --listen")), "{ran}");
}

#[test]
fn a_host_stops_in_order_and_comes_back_with_everything() {
    let desk = Desk::open();
    desk.send("o-1", "draft-order", r#"{"customer":"c-1"}"#);
    let (data, folder) = (desk.data(), desk.folder);
    let log = desk.host.stop();
    assert!(log.contains("stopping") && !log.contains("WARN") && !log.contains("ERROR"), "{log}");
    let host = Host::start(folder.path().join("data").as_path());
    let state = host.polder(&["state", "orders/order/o-1", "--json"]).json();
    assert_eq!(state["state"]["customer"], "c-1");
    host.stop();
    let verified = polder(&["verify", "--data", &data, "--json"]).json();
    assert_eq!(verified["closed"], true, "{verified}");
}

/// The kernel clears a whole page of 2 MiB at its first use, and a command would wait for that.
#[test]
fn a_host_has_its_memory_in_small_pages() {
    let status = Desk::open().host.process_status();
    assert!(status.contains("\nTHP_enabled:\t0\n"), "{status}");
}

#[test]
fn the_doctor_has_a_line_for_everything_it_looked_at() {
    // The doctor checks the machine. Its results depend on the machine, but each check has a line.
    let desk = Desk::open();
    let ran = desk.host.polder(&["doctor", "--data", desk.folder.path().to_str().unwrap()]);
    let whats: Vec<&str> = ran.stdout.lines().filter_map(|line| line.get(9..)?.split(':').next()).collect();
    assert_eq!(whats, ["version", "sandbox", "disk", "wasm target", "host"], "{ran}");
    assert!(ran.stdout.contains(&format!("ok       host: {} is ready", desk.host.address())), "{ran}");
}
