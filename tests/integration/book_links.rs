//! The README and the book fit together: the summary lists every chapter, each link leads to a file and a heading, the
//! README is short, and its domain is the one that the SDK's documentation compiles.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use polder_tests::repository_file;

/// Paths start at the root of the repository.
pub(crate) const README: &str = "README.md";
const README_BYTES_MAX: usize = 12 * 1_024;
const BOOK: &str = "docs/src";
const SUMMARY: &str = "docs/src/SUMMARY.md";
const SDK: &str = "sdk/polder-sdk/src/lib.rs";

/// The chapters of the book, in the order of its summary.
pub(crate) fn chapters() -> Vec<String> {
    links(&read(SUMMARY)).iter().map(|target| resolved(SUMMARY, target)).collect()
}

pub(crate) fn read(page: &str) -> String {
    fs::read_to_string(repository_file(page)).unwrap_or_else(|error| panic!("{page}: {error}"))
}

#[test]
fn the_summary_lists_every_chapter_once() {
    let mut listed = chapters();
    listed.sort();
    let mut there = pages_below(BOOK);
    there.retain(|page| page != SUMMARY);
    there.sort();
    assert_eq!(listed, there, "left: the chapters of {SUMMARY}; right: the files of {BOOK}");
}

#[test]
fn each_link_of_the_readme_and_the_book_leads_to_a_file_and_a_heading() {
    let pages: Vec<String> = [README.to_owned()].into_iter().chain(pages_below(BOOK)).collect();
    let broken: Vec<String> = pages.iter().flat_map(|page| broken_links(page)).collect();
    assert!(broken.is_empty(), "links that lead nowhere:\n  {}", broken.join("\n  "));
}

#[test]
fn the_readme_is_short() {
    let bytes = read(README).len();
    assert!(bytes <= README_BYTES_MAX, "{README} has {bytes} bytes, and {README_BYTES_MAX} at most: the book has room");
}

#[test]
fn the_readme_shows_the_domain_that_the_sdk_compiles() {
    let (readme, sdk) = (read(README), read(SDK));
    let mut compiled = sdk.lines().filter_map(|line| line.strip_prefix("//!")).map(str::trim);
    let mut shown = readme.lines().skip_while(|line| *line != "```rust").skip(1).take_while(|line| *line != "```");
    assert!(shown.clone().count() > 10, "{README} has no domain in a block ```rust");
    // In this order, and lines of the SDK's example may be left out.
    let differing = shown.find(|line| !compiled.any(|other| other == line.trim()));
    assert_eq!(differing, None, "a line of {README} that the example in {SDK} does not have there");
}

/// The broken links, each with its page and the reason.
fn broken_links(page: &str) -> Vec<String> {
    let reason = |target: &str| {
        let (path, anchor) = target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
        let file = if path.is_empty() { page.to_owned() } else { resolved(page, path) };
        if !repository_file(&file).is_file() {
            return Some(format!("there is no file {file}"));
        }
        // A link to a file outside the book is broken in the built book.
        if page.starts_with(BOOK) && !file.starts_with(BOOK) {
            return Some(format!("{file} is no part of the book"));
        }
        let anchor = anchor.filter(|anchor| !anchors(&read(&file)).contains(*anchor))?;
        Some(format!("{file} has no heading #{anchor}"))
    };
    let targets = links(&read(page));
    let within = targets.iter().filter(|target| !target.contains("://") && !target.starts_with("mailto:"));
    within.filter_map(|target| reason(target).map(|reason| format!("{page}: {target}: {reason}"))).collect()
}

fn pages_below(folder: &str) -> Vec<String> {
    let mut pages = Vec::new();
    for entry in fs::read_dir(repository_file(folder)).unwrap_or_else(|error| panic!("{folder}: {error}")) {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().to_str().expect("file names are UTF-8"));
        if entry.file_type().unwrap().is_dir() {
            pages.extend(pages_below(&path));
        } else if path.ends_with(".md") {
            pages.push(path);
        }
    }
    pages
}

/// The path of `target`, which is relative to the folder of `page`.
fn resolved(page: &str, target: &str) -> String {
    let mut segments: Vec<&str> = page.split('/').collect();
    segments.pop();
    for segment in target.split('/') {
        match segment {
            "." => {}
            ".." => {
                segments.pop();
            }
            name => segments.push(name),
        }
    }
    segments.join("/")
}

/// The targets of all links `[text](target)` outside code.
fn links(text: &str) -> Vec<String> {
    let mut targets = Vec::new();
    for line in prose(text) {
        let line: String = line.split('`').step_by(2).collect();
        let behind_texts = line.split("](").skip(1);
        targets.extend(behind_texts.filter_map(|behind| behind.split_once(')')).map(|(target, _)| target.to_owned()));
    }
    targets
}

/// The anchors of all headings, as mdBook and GitHub make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    let headings = prose(text).into_iter().filter(|line| line.starts_with('#'));
    let titles = headings.filter_map(|line| line.trim_start_matches('#').strip_prefix(' '));
    let unique = |title: &str| {
        let slug: String = title.trim().to_lowercase().chars().filter_map(in_anchor).collect();
        let earlier = times.entry(slug.clone()).or_default();
        *earlier += 1;
        if *earlier == 1 { slug } else { format!("{slug}-{}", *earlier - 1) }
    };
    titles.map(unique).collect()
}

fn in_anchor(character: char) -> Option<char> {
    match character {
        ' ' => Some('-'),
        '-' | '_' => Some(character),
        _ => character.is_alphanumeric().then_some(character),
    }
}

/// The lines outside fenced blocks.
fn prose(text: &str) -> Vec<&str> {
    let mut is_code = false;
    let is_prose = |line: &&str| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    };
    text.lines().filter(is_prose).collect()
}

#[test]
fn links_and_headings_are_found_outside_of_code() {
    let text =
        "# A `b` c's\n[x](y.md) and [`z`](../w.md#v), `[no](t)`\n## Twice\n```\n# no heading\n[no](t)\n```\n## Twice\n";
    assert_eq!(links(text), ["y.md", "../w.md#v"]);
    assert_eq!(anchors(text), BTreeSet::from(["a-b-cs", "twice", "twice-1"].map(str::to_owned)));
    assert_eq!(resolved("docs/src/run/a.md", "../use/./b.md"), "docs/src/use/b.md");
}
