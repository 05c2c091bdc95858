//! Tests of the built command. Cargo builds a package's binaries for its integration tests. So with this file, a plain
//! `cargo test --workspace` also builds `polder` before the tests in `tests/` run it.

use std::process::Command;

#[test]
fn it_prints_its_version() {
    let output = Command::new(env!("CARGO_BIN_EXE_polder")).arg("--version").output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), concat!("polder ", env!("CARGO_PKG_VERSION"), "\n"));
}
