//! Checks the English of the sources: no comment is wider than 120 columns, and words that make sentences hard to read
//! do not occur. This file contains the list of these words, so its own words are not checked.

use super::sources::{PAGE, Source};

const COMMENT_COLUMNS_MAX: usize = 120;

/// Words and phrases, in lower case, that no source file may contain.
const WORDS: &[&str] = &[
    "told",
    "tell",
    "tells",
    "telling",
    "whoever",
    "whom",
    "whomever",
    "nobody",
    "somebody",
    "anybody",
    "oftener",
    "so manieth",
    "the one who",
    "those who",
];

/// The most occurrences in all Markdown files together, because a page may quote a message or another text.
const OCCURRENCES_IN_PAGES_MAX: usize = 20;

/// Pairs of a file and a word that has a technical meaning there.
const ALLOWED: &[(&str, &str)] = &[
    // The Unix account of this name.
    ("tests/peers/postgres/src/account.rs", "nobody"),
];

const THIS_FILE: &str = "xtask/src/check/words.rs";
const CHANGELOG: &str = "CHANGELOG.md";

/// Each violation as one line of text, with its file, its line, and the word or the width.
pub(crate) fn violations(sources: &[Source]) -> Vec<String> {
    let (mut violations, mut in_pages) = (Vec::new(), Vec::new());
    for source in sources.iter().filter(|source| source.path != CHANGELOG) {
        if source.path.ends_with(PAGE) {
            in_pages.extend(listed_words(source));
        } else {
            violations.extend(wide_comments(source));
            violations.extend(listed_words(source));
        }
    }
    if in_pages.len() > OCCURRENCES_IN_PAGES_MAX {
        violations.extend(in_pages);
    }
    violations
}

fn wide_comments(source: &Source) -> Vec<String> {
    let mut violations = Vec::new();
    for (number, line) in (1_usize..).zip(source.text.lines()) {
        let columns = line.chars().count();
        if columns > COMMENT_COLUMNS_MAX && line.trim_start().starts_with("//") {
            violations.push(format!(
                "{}:{number}: a comment of {columns} columns; at most {COMMENT_COLUMNS_MAX} are allowed",
                source.path
            ));
        }
    }
    violations
}

fn listed_words(source: &Source) -> Vec<String> {
    let mut violations = Vec::new();
    if source.path == THIS_FILE {
        return violations;
    }
    let words = words(&source.text);
    for (index, (number, _)) in words.iter().enumerate() {
        for listed in WORDS.iter().copied().filter(|listed| begins_with(&words[index..], listed)) {
            if !ALLOWED.contains(&(source.path.as_str(), listed)) {
                violations.push(format!("{}:{number}: the word \"{listed}\"", source.path));
            }
        }
    }
    violations
}

fn begins_with(words: &[(usize, String)], phrase: &str) -> bool {
    let mut words = words.iter();
    phrase.split(' ').all(|part| words.next().is_some_and(|(_, word)| word == part))
}

/// The words of a text in lower case, each with the number of its line. Identifiers are split into their words:
/// `no_rows`, `NoRows` and `NO_ROWS` are the words `no` and `rows`. An escape sequence in a string, such as `\n`, is
/// not a letter.
fn words(text: &str) -> Vec<(usize, String)> {
    let mut words = Vec::new();
    for (number, line) in (1_usize..).zip(text.lines()) {
        let mut word = String::new();
        let mut before = ' ';
        let mut letters = line.chars().peekable();
        while let Some(letter) = letters.next() {
            let next_is_small = letters.peek().is_some_and(|next| next.is_lowercase());
            let begins_word = letter.is_uppercase() && (before.is_lowercase() || next_is_small);
            if (begins_word || !letter.is_alphabetic()) && !word.is_empty() {
                words.push((number, std::mem::take(&mut word)));
            }
            if letter.is_alphabetic() {
                word.extend(letter.to_lowercase());
            } else if letter == '\\' {
                letters.next();
            }
            before = letter;
        }
        if !word.is_empty() {
            words.push((number, word));
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned() }
    }

    fn found(path: &str, text: &str) -> Vec<String> {
        violations(&[source(path, text)])
    }

    #[test]
    fn identifiers_are_split_into_words() {
        let split = |text: &str| words(text).into_iter().map(|(_, word)| word).collect::<Vec<_>>().join(" ");
        assert_eq!(split("let no_rows2 = NoRows::of(NO_ROWS);"), "let no rows no rows of no rows");
        assert_eq!(split("HTTPCall aB \"\\nline\\tend\" it's"), "http call a b line end it s");
        assert_eq!(split("Ärger été"), "ärger été");
        assert_eq!(words("one\n\n  two"), [(1, "one".to_owned()), (3, "two".to_owned())]);
    }

    #[test]
    fn a_listed_word_is_found_with_its_file_and_line() {
        for line in [
            "// What was told.",
            "/// Told the caller.",
            "let told = 1;",
            "fn is_told() {}",
            "struct MeterTold;",
            "const TOLD_MAX: u8 = 1;",
            "println!(\"a\\ntold\");",
            "let a = b.told.c;",
        ] {
            assert_eq!(found("host/a.rs", &format!("\n{line}\n")), ["host/a.rs:2: the word \"told\""], "{line}");
        }
        assert_eq!(found("wit/a.wit", "/// For nobody's use."), ["wit/a.wit:1: the word \"nobody\""]);
        let two = found("a.rs", "// telling\n// whom");
        assert_eq!(two, ["a.rs:1: the word \"telling\"", "a.rs:2: the word \"whom\""]);
    }

    #[test]
    fn a_part_of_a_word_is_no_listed_word() {
        assert_eq!(
            found("a.rs", "// untold stellar bottell foretold whose who\nlet teller = 1;"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_phrase_is_found_also_over_two_lines() {
        assert_eq!(found("a.rs", "// So manieth, for those\n// who ask.").len(), 2);
        assert_eq!(found("a.rs", "// for those\n// who ask"), ["a.rs:1: the word \"those who\""]);
        assert_eq!(found("a.rs", "// those events; the one that has none, and the operator who"), Vec::<String>::new());
    }

    #[test]
    fn a_word_with_a_technical_meaning_is_allowed_in_its_file_only() {
        let account = "tests/peers/postgres/src/account.rs";
        assert_eq!(found(account, "\"nobody\""), Vec::<String>::new());
        assert_eq!(found(account, "\"somebody\"").len(), 1);
        assert_eq!(found("host/account.rs", "\"nobody\"").len(), 1);
    }

    #[test]
    fn the_list_itself_is_allowed() {
        assert_eq!(found(THIS_FILE, include_str!("words.rs")), Vec::<String>::new());
        assert!(!found("other.rs", include_str!("words.rs")).is_empty());
    }

    #[test]
    fn a_wide_comment_is_found_and_wide_code_is_not() {
        let line = |start: &str, columns: usize| format!("{start}{}", "é".repeat(columns - start.len()));
        assert_eq!(found("a.rs", &line("    /// ", 120)), Vec::<String>::new());
        assert_eq!(
            found("a.rs", &line("    /// ", 121)),
            ["a.rs:1: a comment of 121 columns; at most 120 are allowed"]
        );
        assert_eq!(found("a.wit", &line("// ", 130)).len(), 1);
        assert_eq!(found("a.rs", &line("let a = \"", 130)), Vec::<String>::new());
        assert_eq!(found("a.md", &line("// ", 130)), Vec::<String>::new());
    }

    #[test]
    fn pages_may_contain_some_listed_words() {
        let pages = |count: usize| {
            let pages = (0..count).map(|number| source(&format!("docs/{number}.md"), "He told us."));
            violations(&pages.collect::<Vec<_>>())
        };
        assert_eq!(pages(OCCURRENCES_IN_PAGES_MAX), Vec::<String>::new());
        let too_many = pages(OCCURRENCES_IN_PAGES_MAX + 1);
        assert_eq!(too_many.len(), OCCURRENCES_IN_PAGES_MAX + 1);
        assert_eq!(too_many[0], "docs/0.md:1: the word \"told\"");
        assert_eq!(found(CHANGELOG, &"told ".repeat(OCCURRENCES_IN_PAGES_MAX + 1)), Vec::<String>::new());
    }
}
