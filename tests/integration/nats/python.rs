//! A client of another project, in another language.

use std::process::Command;

use polder_tests::{python_file, repository_file};

use super::site::Site;

#[test]
fn a_python_client_drives_a_domain() {
    let site = Site::open_shop();
    let desk = repository_file("tests/integration/nats/desk.py");
    let ran = Command::new(python_file()).arg(desk).arg(site.server.url()).output().expect("Python starts");
    let (stdout, stderr) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success() && stdout.trim() == "203 events", "{stdout}{stderr}\n{}", site.host().log());
    assert_eq!(site.assert_stream_is_history(), 203);
}
