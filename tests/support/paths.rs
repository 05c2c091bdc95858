//! The locations of the built programs and files. Each function panics with the command that builds a missing one.

use std::path::{Path, PathBuf};

/// The built command, of the same profile as the test program.
pub fn polder_file() -> PathBuf {
    made(profile().join("polder"), "`cargo build --package polder-cli`")
}

/// The wasm file of a guest, such as `orders`.
pub fn guest_file(name: &str) -> PathBuf {
    made(
        target().join("wasm32-unknown-unknown/guest").join(format!("{}.wasm", name.replace('-', "_"))),
        "`cargo xtask guests`",
    )
}

/// A nats-server that is new enough.
pub fn nats_server_file() -> PathBuf {
    made(target().join("tools/nats-server"), "`cargo xtask setup`")
}

/// A Python with the NATS client.
pub fn python_file() -> PathBuf {
    made(target().join("tools/python/bin/python"), "`cargo xtask setup`")
}

/// A file of the repository, by its path from the root.
pub fn repository_file(path: &str) -> PathBuf {
    root().join(path)
}

/// Real data that only some machines have. `None` if it is missing.
pub fn shared_data(path: &str) -> Option<PathBuf> {
    let file = root().parent()?.join("shared/data").join(path);
    file.is_file().then_some(file)
}

fn made(file: PathBuf, how: &str) -> PathBuf {
    assert!(file.is_file(), "{} is missing: run {how}, or all tests with `cargo xtask test`", file.display());
    file
}

fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("tests/ lies in the repository").to_owned()
}

/// Cargo's target folder.
fn target() -> PathBuf {
    profile().parent().expect("a profile's folder lies in the target folder").to_owned()
}

/// The folder of the profile: the test program is `target/debug/deps/integration-…`, or in `release` instead.
fn profile() -> PathBuf {
    let program = std::env::current_exe().expect("a program knows its own file");
    let profile = program.ancestors().nth(2).expect("a test program lies in target/debug/deps");
    profile.to_owned()
}
