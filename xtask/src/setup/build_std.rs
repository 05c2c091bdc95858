//! Builds the standard library for the wasm target from source and installs it beside the compiler's other libraries,
//! where a plain `cargo build --target` finds it. The sources come from the `rust-src` component, or else from Debian.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::debian;
use crate::run;
use crate::workspace::WASM_TARGET;

/// Debian's suites with recent compilers, the most likely one first.
const SUITES: [&str; 3] = ["trixie-backports", "forky", "sid"];
const EMPTY_CRATE: &str = "polder_setup_empty";

pub(crate) fn install() -> Result<()> {
    let sysroot = run::sysroot()?;
    let scratch = tempfile::tempdir().context("cannot make a temporary folder")?;
    let _link = provide_sources(&sysroot, scratch.path())?;
    let built = build(&scratch.path().join(EMPTY_CRATE))?;
    put_in_place(&built, &sysroot.join("lib/rustlib"))
}

/// The link to borrowed sources inside the compiler's folder. It is removed after the build, so that a later `rustup
/// component add rust-src` finds its place free.
struct SourceLink(PathBuf);

impl Drop for SourceLink {
    fn drop(&mut self) {
        // A failure is harmless: the next run replaces a dangling link.
        let _ = fs::remove_file(&self.0);
    }
}

fn provide_sources(sysroot: &Path, scratch: &Path) -> Result<Option<SourceLink>> {
    let place = sysroot.join("lib/rustlib/src/rust/library");
    // A link into the temporary folder comes from an interrupted run; some of its sources may be gone.
    if fs::read_link(&place).is_ok_and(|target| target.starts_with(std::env::temp_dir())) {
        fs::remove_file(&place).with_context(|| format!("cannot remove {}", place.display()))?;
    }
    if place.join("std/Cargo.toml").is_file() {
        return Ok(None);
    }
    let version = rustc_version(&run::output(run::rustc().arg("-vV"))?)?;
    let root = debian::unpacked(&format!("rust-src={version}*"), &SUITES, scratch)
        .context("no rust-src component here, and no sources from Debian either")?;
    let sources = root.join(format!("usr/src/rustc-{version}/library"));
    ensure!(sources.join("std/Cargo.toml").is_file(), "Debian's rust-src holds no sources of {version}");
    let parent = place.parent().unwrap_or(sysroot);
    fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    std::os::unix::fs::symlink(&sources, &place).with_context(|| format!("cannot create {}", place.display()))?;
    Ok(Some(SourceLink(place)))
}

fn rustc_version(verbose: &str) -> Result<String> {
    let release = verbose.lines().find_map(|line| line.strip_prefix("release: "));
    Ok(release.context("rustc -vV names no release")?.trim().to_owned())
}

/// Builds an empty crate together with its own standard library; returns the folder with the compiled libraries.
fn build(folder: &Path) -> Result<PathBuf> {
    fs::create_dir_all(folder.join("src"))?;
    fs::write(folder.join("src/lib.rs"), "")?;
    let manifest =
        format!("[package]\nname = \"{EMPTY_CRATE}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n");
    fs::write(folder.join("Cargo.toml"), manifest)?;
    let target = folder.join("target");
    let mut cargo = run::cargo();
    cargo.current_dir(folder).args(["build", "--release", "--target", WASM_TARGET]);
    cargo.arg("-Zbuild-std=std,panic_abort,panic_unwind");
    // Without embedded bitcode, a guest's `lto = true` would fail. The bootstrap switch allows a stable cargo to build
    // its own std.
    cargo.env("RUSTFLAGS", "-Cembed-bitcode=yes").env("RUSTC_BOOTSTRAP", "1").env("CARGO_TARGET_DIR", &target);
    cargo.env_remove("CARGO_ENCODED_RUSTFLAGS");
    run::show(&mut cargo)?;
    Ok(target.join(WASM_TARGET).join("release/deps"))
}

/// Copies next to the place first, then renames: a reader finds the whole library or none.
fn put_in_place(built: &Path, libraries: &Path) -> Result<()> {
    let partial = libraries.join(format!("{WASM_TARGET}.partial"));
    remove_folder(&partial)?;
    fs::create_dir_all(partial.join("lib")).with_context(|| format!("cannot create {}", partial.display()))?;
    let mut copied_count = 0;
    for entry in fs::read_dir(built)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.ends_with(".rlib") && !name.contains(EMPTY_CRATE) {
            fs::copy(&path, partial.join("lib").join(&name)).with_context(|| format!("cannot copy {name}"))?;
            copied_count += 1;
        }
    }
    if copied_count == 0 {
        bail!("the build left no libraries in {}", built.display());
    }
    let place = libraries.join(WASM_TARGET);
    remove_folder(&place)?;
    fs::rename(&partial, &place).with_context(|| format!("cannot create {}", place.display()))
}

fn remove_folder(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_replaces_what_was_there_without_the_empty_crate() {
        let folder = tempfile::tempdir().unwrap();
        let (built, libraries) = (folder.path().join("deps"), folder.path().join("rustlib"));
        let place = libraries.join(WASM_TARGET).join("lib");
        for old in [&built, &place, &libraries.join(format!("{WASM_TARGET}.partial/lib"))] {
            fs::create_dir_all(old).unwrap();
            fs::write(old.join("libold.rlib"), "old").unwrap();
        }
        fs::write(built.join("libstd-1.rlib"), "new").unwrap();
        fs::write(built.join(format!("lib{EMPTY_CRATE}-1.rlib")), "").unwrap();
        fs::remove_file(built.join("libold.rlib")).unwrap();
        put_in_place(&built, &libraries).unwrap();
        let names: Vec<_> = fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["libstd-1.rlib"]);
        assert!(!libraries.join(format!("{WASM_TARGET}.partial")).exists());
    }

    #[test]
    fn an_empty_build_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let libraries = folder.path().join("rustlib");
        fs::create_dir_all(libraries.join(WASM_TARGET)).unwrap();
        fs::create_dir_all(folder.path().join("deps")).unwrap();
        let error = put_in_place(&folder.path().join("deps"), &libraries).unwrap_err();
        assert!(error.to_string().contains("left no libraries"), "{error}");
        assert!(libraries.join(WASM_TARGET).is_dir());
    }

    #[test]
    fn the_release_is_read() {
        assert_eq!(rustc_version("rustc 1.95.0 (59 2026)\nhost: x\nrelease: 1.95.0\n").unwrap(), "1.95.0");
        assert!(rustc_version("rustc\n").is_err());
    }
}
