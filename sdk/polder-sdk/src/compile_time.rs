//! Functions that generated code runs at compile time. A macro sees one item at a time; the compiler sees all of them.
#![allow(missing_docs, reason = "generated code calls this; people do not")]

/// Stops the build when two names are equal.
// With `track_caller` the compiler points at the `domain!` only. Without it the compiler also prints lines of the
// standard library where its source is installed.
#[track_caller]
pub const fn assert_distinct(names: &[&str], problem: &str) {
    let mut i = 0;
    while i < names.len() {
        let mut j = i + 1;
        while j < names.len() {
            assert!(!same(names[i], names[j]), "{}", problem);
            j += 1;
        }
        i += 1;
    }
}

/// Stops the build when a projection reads an aggregate that the domain does not have.
// `track_caller` for the same reason as above.
#[track_caller]
pub const fn assert_known(read: &[&str], aggregates: &[&str]) {
    let mut i = 0;
    while i < read.len() {
        let known = place_of(aggregates, read[i]).is_some();
        assert!(
            known,
            "a projection of this domain reads the events of an aggregate that is not one of its aggregates"
        );
        i += 1;
    }
}

/// The index of `word` among `words`.
pub const fn place_of(words: &[&str], word: &str) -> Option<usize> {
    let mut i = 0;
    while i < words.len() {
        if same(words[i], word) {
            return Some(i);
        }
        i += 1;
    }
    None
}

/// The first of `all` that `mentioned` lacks; empty when it lacks none.
///
/// It is also empty when `mentioned` holds a word that is not in `all`. That word is misspelt and is reported where it
/// stands; the word that the author meant would be reported as forgotten only because of the typo.
pub const fn forgotten(all: &[&'static str], mentioned: &[&str]) -> &'static str {
    let mut i = 0;
    while i < mentioned.len() {
        if place_of(all, mentioned[i]).is_none() {
            return "";
        }
        i += 1;
    }
    i = 0;
    while i < all.len() {
        if place_of(mentioned, all[i]).is_none() {
            return all[i];
        }
        i += 1;
    }
    ""
}

pub const fn bytes_count(parts: &[&str]) -> usize {
    let mut count = 0;
    let mut i = 0;
    while i < parts.len() {
        count += parts[i].len();
        i += 1;
    }
    count
}

pub const fn bytes_joined<const COUNT: usize>(parts: &[&str]) -> [u8; COUNT] {
    let mut joined = [0; COUNT];
    let (mut filled, mut i) = (0, 0);
    while i < parts.len() {
        let (part, mut j) = (parts[i].as_bytes(), 0);
        while j < part.len() {
            joined[filled] = part[j];
            filled += 1;
            j += 1;
        }
        i += 1;
    }
    joined
}

pub const fn text(bytes: &[u8]) -> &str {
    match core::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => "",
    }
}

pub const fn names_count(parts: &[&[&str]]) -> usize {
    let mut count = 0;
    let mut i = 0;
    while i < parts.len() {
        count += parts[i].len();
        i += 1;
    }
    count
}

pub const fn names_joined<const COUNT: usize>(parts: &[&[&'static str]]) -> [&'static str; COUNT] {
    let mut joined = [""; COUNT];
    let (mut filled, mut i) = (0, 0);
    while i < parts.len() {
        let mut j = 0;
        while j < parts[i].len() {
            joined[filled] = parts[i][j];
            filled += 1;
            j += 1;
        }
        i += 1;
    }
    joined
}

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}
