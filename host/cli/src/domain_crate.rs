//! Builds the component of a domain crate: cargo compiles it, and the sandbox checks it. Used by `build`, `test` and
//! `deploy`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail, ensure};
use polder_sandbox::{Component, Sandbox, SandboxOptions};
use serde_json::Value;

use crate::output::Output;

pub(crate) const WASM_TARGET: &str = "wasm32-unknown-unknown";

pub(crate) struct BuiltComponent {
    pub(crate) file: PathBuf,
    pub(crate) bytes: u64,
    pub(crate) component: Arc<Component>,
}

/// A domain crate, as cargo describes it.
struct Package {
    name: String,
    target_dir: PathBuf,
}

/// Builds the domain crate in `folder` and leaves `DOMAIN.wasm` in its target folder.
pub(crate) fn build(folder: &Path, output: &Output) -> Result<BuiltComponent> {
    let package = package(folder)?;
    ensure!(
        is_wasm_target_present()?,
        "the standard library for {WASM_TARGET} is missing: run `rustup target add {WASM_TARGET}`; if rustup cannot download it, run \
         `cargo xtask setup` in Polder's source tree"
    );
    output.note(&format!("building {} for {WASM_TARGET}", package.name));
    let built = cargo(folder)
        .args(["build", "--release", "--lib", "--target", WASM_TARGET, "--package", &package.name])
        .args(["--message-format", "json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    ensure!(built.status.success(), "{} does not build for {WASM_TARGET}: see cargo's messages above", package.name);
    if !checks_overflow(&built.stdout, &package.name) {
        output.note(&format!(
            "warning: {} is built without overflow checks: a sum that is too large wraps in the sandbox, where a native test panics; \
             add `overflow-checks = true` to [profile.release] in its Cargo.toml",
            package.name
        ));
    }

    let module = package.target_dir.join(WASM_TARGET).join("release").join(package.name.replace('-', "_") + ".wasm");
    let bytes = std::fs::read(&module).with_context(|| format!("cargo built, but left no {}", module.display()))?;
    let component = load(&bytes).with_context(|| format!("a host would not accept {} as a domain", package.name))?;
    let file = package.target_dir.join(format!("{}.wasm", component.descriptor.domain));
    std::fs::write(&file, &bytes).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(BuiltComponent { file, bytes: bytes.len() as u64, component })
}

/// Whether the package's own code checks its arithmetic. `messages` are cargo's lines of JSON, one for each artifact.
fn checks_overflow(messages: &[u8], package: &str) -> bool {
    let target = package.replace('-', "_");
    let made = messages.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let mut own = made.filter(|made| {
        let name = made["target"]["name"].as_str().unwrap_or_default();
        made["reason"] == "compiler-artifact" && name.replace('-', "_") == target
    });
    own.all(|made| made["profile"]["overflow_checks"] != false)
}

pub(crate) fn is_wasm_target_present() -> Result<bool> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc"));
    let sysroot = Command::new(rustc).args(["--print", "sysroot"]).output();
    let sysroot = sysroot.context("cannot start rustc: install Rust with rustup, https://rustup.rs")?.stdout;
    let sysroot = PathBuf::from(String::from_utf8_lossy(&sysroot).trim());
    Ok(sysroot.join("lib/rustlib").join(WASM_TARGET).join("lib").is_dir())
}

/// Cargo, to be run in `folder`. If cargo started this program, it is the same cargo.
pub(crate) fn cargo(folder: &Path) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    cargo.current_dir(folder);
    cargo
}

/// Fails unless the folder holds a domain crate.
pub(crate) fn check_folder(folder: &Path) -> Result<()> {
    package(folder).map(drop)
}

fn load(bytes: &[u8]) -> Result<Arc<Component>> {
    Ok(Sandbox::new(SandboxOptions::default())?.load(bytes)?)
}

fn package(folder: &Path) -> Result<Package> {
    let manifest = folder.join("Cargo.toml");
    let manifest = manifest.canonicalize().with_context(|| {
        format!("{} is no domain crate: it has no Cargo.toml; `polder new NAME` makes one", folder.display())
    })?;
    let described = cargo(folder).args(["metadata", "--format-version", "1", "--no-deps"]).output();
    let described = described.context("cannot start cargo: install Rust with rustup, https://rustup.rs")?;
    if !described.status.success() {
        bail!("cargo cannot read {}: {}", manifest.display(), String::from_utf8_lossy(&described.stderr).trim());
    }
    let metadata: Value = serde_json::from_slice(&described.stdout).context("cargo metadata is not JSON")?;
    find(&metadata, &manifest)?
        .ok_or_else(|| anyhow!("{} names no package: give the folder of one domain crate", manifest.display()))
}

fn find(metadata: &Value, manifest: &Path) -> Result<Option<Package>> {
    let packages = metadata["packages"].as_array().map_or(&[][..], Vec::as_slice);
    let is_here = |package: &&Value| package["manifest_path"].as_str().is_some_and(|path| Path::new(path) == manifest);
    let Some(package) = packages.iter().find(is_here) else { return Ok(None) };
    let name = package["name"].as_str().unwrap_or_default().to_owned();
    let kinds =
        package["targets"].as_array().into_iter().flatten().filter_map(|target| target["crate_types"].as_array());
    ensure!(
        kinds.flatten().any(|kind| kind == "cdylib"),
        "{name} would give no wasm file: its Cargo.toml needs [lib] crate-type = [\"cdylib\", \"rlib\"]"
    );
    let target_dir = PathBuf::from(metadata["target_directory"].as_str().unwrap_or("target"));
    Ok(Some(Package { name, target_dir }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn metadata(kinds: &[&str]) -> Value {
        json!({ "target_directory": "/t", "packages": [
            { "name": "other", "manifest_path": "/b/Cargo.toml", "targets": [] },
            { "name": "shop", "manifest_path": "/a/Cargo.toml", "targets": [{ "crate_types": kinds }] },
        ] })
    }

    #[test]
    fn the_package_of_the_folder_is_found() {
        let package = find(&metadata(&["cdylib", "rlib"]), Path::new("/a/Cargo.toml")).unwrap().unwrap();
        assert_eq!((package.name.as_str(), package.target_dir.as_path()), ("shop", Path::new("/t")));
        assert!(find(&metadata(&["cdylib"]), Path::new("/c/Cargo.toml")).unwrap().is_none());
    }

    #[test]
    fn overflow_that_is_not_checked_is_noticed() {
        let made = |name: &str, checks: bool| {
            let made = json!({
                "reason": "compiler-artifact", "target": { "name": name }, "profile": { "overflow_checks": checks },
            });
            format!("{made}\n")
        };
        let messages = |own: bool| format!("{}no json\n{}", made("serde", false), made("my_shop", own));
        assert!(checks_overflow(messages(true).as_bytes(), "my-shop"));
        assert!(!checks_overflow(messages(false).as_bytes(), "my-shop"));
    }

    #[test]
    fn a_crate_that_gives_no_wasm_says_what_it_lacks() {
        let error = find(&metadata(&["lib"]), Path::new("/a/Cargo.toml")).err().unwrap().to_string();
        assert!(error.contains("shop") && error.contains("crate-type = [\"cdylib\", \"rlib\"]"), "{error}");
    }
}
