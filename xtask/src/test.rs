//! Runs every test once, in two passes over the same build. The first pass runs the tests near their code, in which the
//! tests of guests record their given/when/then cases. The second pass runs the integration tests, which replay those
//! cases through the sandbox.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

use crate::workspace::Workspace;
use crate::{dev_build, guests, run, setup};

pub(crate) const RUNNER_TASK: &str = "run-test";
/// The SDK's test kit writes its cases to the folder in this variable.
const CASES_VARIABLE: &str = "POLDER_CASES_DIR";
/// The same folder for the runner, which passes it on to guests only: the SDK's toy domains have no component for a
/// replay.
const GUEST_CASES_VARIABLE: &str = "POLDER_GUEST_CASES_DIR";
const INTEGRATION_PACKAGE: &str = "polder-tests";
/// Begins the line of a test, or of a part of one, that this machine cannot run: `skipped: TEST: REASON`. The test
/// writes it to stdout, past the harness, which otherwise shows what a test prints only when the test fails.
const SKIPPED: &str = "skipped: ";

pub(crate) fn test() -> Result<()> {
    // Read before the build, which may replace the file: afterwards this would return the path of a deleted file.
    let runner = std::env::current_exe().context("cannot find this program's own file")?;
    setup::nats_server()?;
    setup::python()?;
    let guests = guests::build()?;
    let workspace = Workspace::read()?;
    let cases = workspace.target.join("cases");
    if cases.exists() {
        fs::remove_dir_all(&cases).with_context(|| format!("cannot empty {}", cases.display()))?;
    }
    fs::create_dir_all(&cases).with_context(|| format!("cannot create {}", cases.display()))?;

    dev_build::build(&workspace)?;

    let mut tally = Tally::default();
    let near =
        arguments(&["--lib", "--bins", "--examples"], &test_names(&workspace, |name| name != INTEGRATION_PACKAGE));
    // Both passes run, so that one failure does not hide another.
    let near = go(&workspace, &runner, &near, &cases, &mut tally);
    let case_count = fs::read_dir(&cases)?.count();
    let integration = test_names(&workspace, |name| name == INTEGRATION_PACKAGE);
    let integration = match &integration[..] {
        [] => Ok(()),
        tests => go(&workspace, &runner, &arguments(&[], tests), &cases, &mut tally),
    };
    println!(
        "\n{} guests built, {case_count} given/when/then cases recorded by guests, {} test programs run\n{}",
        guests.len(),
        tally.programs,
        tally.summary()
    );
    near.and(integration)?;
    ensure!(tally.passed > 0, "no test ran");
    Ok(())
}

/// Starts one test program for cargo. Programs of guests get the folder for their cases.
pub(crate) fn run_test_program(program: &[OsString]) -> ExitCode {
    let mut command = Command::new(&program[0]);
    command.args(&program[1..]);
    let package_folder = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
    if let Some(cases) = std::env::var_os(GUEST_CASES_VARIABLE)
        && is_guest_folder(Path::new(&package_folder))
    {
        command.env(CASES_VARIABLE, cases);
    }
    match command.status() {
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)),
        Err(error) => {
            eprintln!("error: cannot start {}: {error}", program[0].display());
            ExitCode::FAILURE
        }
    }
}

fn is_guest_folder(package_folder: &Path) -> bool {
    package_folder.parent().and_then(Path::file_name).is_some_and(|name| name == "guests")
}

fn go(workspace: &Workspace, runner: &Path, arguments: &[String], cases: &Path, tally: &mut Tally) -> Result<()> {
    let mut cargo = run::cargo();
    cargo.current_dir(&workspace.root).args(["test", "--workspace", "--no-fail-fast"]).args(arguments);
    let host = run::output(run::rustc().arg("-vV"))?;
    let host = host.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc -vV names no host")?;
    let variable = format!("CARGO_TARGET_{}_RUNNER", host.to_uppercase().replace(['-', '.'], "_"));
    cargo.env(variable, format!("{} {RUNNER_TASK}", runner.display())).env(GUEST_CASES_VARIABLE, cases);
    run::show_lines(&mut cargo, |line| tally.add(line))
}

fn test_names(workspace: &Workspace, wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let members = workspace.members.iter().filter(|member| wanted(&member.name));
    members.flat_map(|member| member.tests.iter().cloned()).collect()
}

fn arguments(targets: &[&str], tests: &[String]) -> Vec<String> {
    let targets = targets.iter().map(|target| (*target).to_owned());
    targets.chain(tests.iter().flat_map(|test| [String::from("--test"), test.clone()])).collect()
}

#[derive(Debug, Default, PartialEq)]
struct Tally {
    programs: u64,
    passed: u64,
    failed: u64,
    ignored: u64,
    /// What this machine could not run: `TEST: REASON`.
    skipped: Vec<String>,
}

impl Tally {
    /// Adds the closing line of a test program, `test result: ok. 5 passed; 0 failed; 1 ignored; …`, and the line of a
    /// skipped test.
    fn add(&mut self, line: &str) {
        // The harness may have begun the line with the test's name.
        if let Some((_, skipped)) = line.split_once(SKIPPED) {
            self.skipped.push(skipped.to_owned());
        }
        let Some(result) = line.strip_prefix("test result: ") else { return };
        self.programs += 1;
        for part in result.split([';', '.']) {
            match part.trim().split_once(' ') {
                Some((count, "passed")) => self.passed += count.parse::<u64>().unwrap_or(0),
                Some((count, "failed")) => self.failed += count.parse::<u64>().unwrap_or(0),
                Some((count, "ignored")) => self.ignored += count.parse::<u64>().unwrap_or(0),
                _ => {}
            }
        }
    }

    /// The numbers, and below them one line for each skipped test.
    fn summary(&self) -> String {
        let Self { passed, failed, ignored, skipped, .. } = self;
        let numbers = format!("{passed} passed, {failed} failed, {ignored} ignored, {} skipped", skipped.len());
        let lines = skipped.iter().map(|skipped| format!("\n  {SKIPPED}{skipped}"));
        numbers + &lines.collect::<String>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_are_added_up() {
        let mut tally = Tally::default();
        tally.add("running 3 tests");
        tally.add("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.04s");
        tally.add("test result: FAILED. 2 passed; 4 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s");
        assert_eq!(tally, Tally { programs: 2, passed: 5, failed: 4, ignored: 1, ..Tally::default() });
    }

    #[test]
    fn skipped_tests_are_listed_with_their_reasons() {
        let mut tally = Tally::default();
        tally.add("skipped: disk::it_is_full: no file system can be mounted here");
        tally.add("test nats::tls ... skipped: nats::tls: there is no openssl here");
        tally.add("test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.04s");
        assert_eq!(
            tally.summary(),
            "2 passed, 0 failed, 0 ignored, 2 skipped\n  \
             skipped: disk::it_is_full: no file system can be mounted here\n  \
             skipped: nats::tls: there is no openssl here"
        );
    }

    #[test]
    fn only_guests_record_cases() {
        assert!(is_guest_folder(Path::new("/any/guests/orders")));
        assert!(!is_guest_folder(Path::new("/any/sdk/polder-sdk")));
        assert!(!is_guest_folder(Path::new("/guests")) && !is_guest_folder(Path::new("")));
    }

    #[test]
    fn test_targets_are_named_one_by_one() {
        let arguments = arguments(&["--lib"], &[String::from("a"), String::from("b")]);
        assert_eq!(arguments, ["--lib", "--test", "a", "--test", "b"]);
    }
}
