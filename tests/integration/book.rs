//! The commands of the README and of the book, run as they stand there against a real host. Each page runs in a folder
//! and with a host of its own, one page after the other: first the README, then the chapters in the order of the book's
//! summary.
//!
//! The pages have these parts:
//!
//! 1. A fenced block of the kind `console` holds commands. A line that begins with `$ ` is a command, which `sh` runs.
//!    The lines up to the next command are its output, stderr before stdout. `…` stands for anything within a line, and
//!    alone on a line for any number of lines. A command ends with exit code 0, or with the one that its comment names:
//!    `# exit code 1`.
//! 2. A fenced block whose first line is a comment with the name of a file becomes that file.
//! 3. `polder serve` runs in the background, on a free port. Its address replaces the one in the text.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use polder_tests::{Host, polder_file, skipped};

use crate::book_links::{README, chapters, read};

/// Fewer commands than this mean that the form of the blocks has changed, and that the test runs nothing.
const COMMANDS_MIN: usize = 20;
const ADDRESS_IN_TEXT: &str = "http://127.0.0.1:7117";
const ANYTHING: &str = "…";
const SERVE: &str = "polder serve --data ";
const EXIT_CODE: &str = "# exit code ";

#[test]
fn every_command_of_the_readme_and_the_book_does_what_is_shown() {
    let pages: Vec<String> = [README.to_owned()].into_iter().chain(chapters()).collect();
    let steps: Vec<Vec<Step>> = pages.iter().map(|page| steps(&read(page))).collect();
    let commands = steps.iter().flatten().filter(|step| matches!(step, Step::Run { .. })).count();
    assert!(commands >= COMMANDS_MIN, "only {commands} commands were found: do the blocks have another form now?");
    for (page, steps) in pages.iter().zip(&steps) {
        let scratch = tempfile::tempdir().unwrap();
        let mut reader = Reader { page, folder: scratch.path().to_owned(), host: None };
        for step in steps {
            reader.follow(step);
        }
    }
}

/// One step of a reader of the page.
#[derive(Debug, PartialEq)]
enum Step {
    Write { file: String, text: String },
    Run { command: String, shown: String },
}

fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(kind) = line.strip_prefix("```") else { continue };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let file = block.first().and_then(|first| first.strip_prefix("# ")).filter(|name| name.contains('.'));
        match (kind, file) {
            ("console", _) => steps.extend(commands(&block)),
            (_, Some(file)) => steps.push(Step::Write { file: file.to_owned(), text: block.join("\n") }),
            _ => {}
        }
    }
    steps
}

fn commands(block: &[&str]) -> Vec<Step> {
    let mut commands = Vec::new();
    for line in block {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push(Step::Run { command: command.to_owned(), shown: String::new() }),
            (None, Some(Step::Run { shown, .. })) => writeln!(shown, "{line}").unwrap(),
            (None, _) => panic!("a console block begins with a command, not with {line:?}"),
        }
    }
    commands
}

struct Reader<'a> {
    /// The page, for the messages of failed tests.
    page: &'a str,
    folder: PathBuf,
    host: Option<Host>,
}

impl Reader<'_> {
    fn follow(&mut self, step: &Step) {
        match step {
            Step::Write { file, text } => fs::write(self.folder.join(file), text).unwrap(),
            Step::Run { command, shown } => self.run(command, shown),
        }
    }

    fn run(&mut self, command: &str, shown: &str) {
        if let Some(folder) = command.strip_prefix("cd ") {
            self.folder = self.folder.join(folder);
            assert!(self.folder.is_dir(), "{}: {command}: there is no such folder", self.page);
        } else if let Some(data) = command.strip_prefix(SERVE) {
            self.host = Some(Host::start(&self.folder.join(data)));
            assert_eq!(shown.trim_end(), format!("listening on {ADDRESS_IN_TEXT}"), "{}", self.page);
        } else if command.starts_with("curl ") && !has_curl() {
            skipped(&format!("there is no curl for {command}"));
        } else {
            self.shell(command, shown);
        }
    }

    fn shell(&self, command: &str, shown: &str) {
        let (command, shown) = (self.with_address(command), self.with_address(shown));
        let output = self.sh(&command).output().expect("sh starts");
        let printed =
            [output.stderr, output.stdout].map(|printed| String::from_utf8(printed).expect("commands write UTF-8"));
        let printed = printed.concat();
        let code = command.split_once(EXIT_CODE).map_or(0, |(_, code)| code.trim().parse().expect("a number"));
        assert_eq!(output.status.code(), Some(code), "{}\n$ {command}\n{printed}", self.page);
        assert!(
            fits(&shown, &printed),
            "{}\n$ {command}\n--- the page shows\n{shown}--- it printed\n{printed}",
            self.page
        );
    }

    fn sh(&self, command: &str) -> Command {
        let polder = polder_file();
        let (binaries, path) = (polder.parent().unwrap(), std::env::var("PATH").unwrap_or_default());
        let mut sh = Command::new("sh");
        sh.args(["-c", command]).current_dir(&self.folder).env("PATH", format!("{}:{path}", binaries.display()));
        // Kept between runs and shared by the pages, so that the dependencies of a new crate are built once.
        sh.env("CARGO_TARGET_DIR", binaries.parent().unwrap().join("book"));
        if let Some(host) = &self.host {
            sh.env("POLDER_HOST", host.address());
        }
        sh
    }

    fn with_address(&self, text: &str) -> String {
        self.host.as_ref().map_or_else(|| text.to_owned(), |host| text.replace(ADDRESS_IN_TEXT, host.address()))
    }
}

fn has_curl() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| Path::new(&folder).join("curl").is_file())
}

/// Whether `printed` matches `shown`, line by line, except for omitted parts.
fn fits(shown: &str, printed: &str) -> bool {
    let lines = |text: &str| text.lines().map(str::trim_end).map(str::to_owned).collect::<Vec<_>>();
    lines_fit(&lines(shown), &lines(printed))
}

fn lines_fit(shown: &[String], printed: &[String]) -> bool {
    match shown.split_first() {
        None => printed.is_empty(),
        Some((first, rest)) if first == ANYTHING => {
            (0..=printed.len()).any(|left_out| lines_fit(rest, &printed[left_out..]))
        }
        Some((first, rest)) => {
            printed.split_first().is_some_and(|(line, following)| line_fits(first, line) && lines_fit(rest, following))
        }
    }
}

fn line_fits(shown: &str, printed: &str) -> bool {
    match shown.split_once(ANYTHING) {
        None => shown == printed,
        Some((start, rest)) => printed.strip_prefix(start).is_some_and(|printed| {
            printed.char_indices().map(|(at, _)| at).chain([printed.len()]).any(|at| line_fits(rest, &printed[at..]))
        }),
    }
}

#[test]
fn shown_output_is_compared_line_by_line() {
    for (shown, printed) in [
        ("a\n", "a\n"),
        ("a …\n", "a b c\n"),
        ("…/x: … KiB\n", "/tmp/x: 3 KiB\n"),
        ("…\nb\n", "b\n"),
        ("…\nb\n", "a\nb\nb\n"),
        ("a\n…\n", "a\n"),
        ("", ""),
    ] {
        assert!(fits(shown, printed), "{shown:?} {printed:?}");
    }
    for (shown, printed) in
        [("a\n", "a\nb\n"), ("a\nb\n", "a\n"), ("a …c\n", "a b\n"), ("…\nb\n", "b\na\n"), ("", "a\n")]
    {
        assert!(!fits(shown, printed), "{shown:?} {printed:?}");
    }
}

#[test]
fn steps_are_found_in_their_order() {
    let page = "# R\n```sh\nnot run\n```\n```console\n$ a\nx\ny\n$ b\n```\n```toml\n# m.toml\nk = 1\n```\n```toml\n# a word\n```\n";
    let run = |command: &str, shown: &str| Step::Run { command: command.into(), shown: shown.into() };
    let written = Step::Write { file: "m.toml".into(), text: "# m.toml\nk = 1".into() };
    assert_eq!(steps(page), [run("a", "x\ny\n"), run("b", ""), written]);
}
