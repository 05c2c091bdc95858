//! Finds circles: files of one crate that import each other, directly or through other files. Pure functions.

use std::collections::{BTreeMap, BTreeSet};

use super::imports::Imports;

/// Files of which each imports each other one, directly or through others.
pub(super) type Circle = BTreeSet<String>;

/// All circles, each as large as possible, so that no file is in two of them.
pub(super) fn circles(imports: &Imports) -> Vec<Circle> {
    let mut next: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (from, to) in imports.keys() {
        next.entry(from).or_default().push(to);
    }
    let reached: BTreeMap<&str, BTreeSet<&str>> = next.keys().map(|from| (*from, reached(from, &next))).collect();
    let reaches = |from: &str, to: &str| reached.get(from).is_some_and(|reached| reached.contains(to));
    let mut circles: Vec<Circle> = Vec::new();
    for from in next.keys().filter(|from| reaches(from, from)) {
        if !circles.iter().any(|circle| circle.contains(*from)) {
            let back = reached[from].iter().filter(|to| reaches(to, from));
            circles.push(back.map(|to| (*to).to_owned()).collect());
        }
    }
    circles
}

/// One line for the circle, and one for each import that ties it.
pub(super) fn written(circle: &Circle, imports: &Imports) -> String {
    let files = circle.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let mut text = format!("a circle of {} files: {files}", circle.len());
    for ((from, to), path) in imports.iter().filter(|((from, to), _)| circle.contains(from) && circle.contains(to)) {
        text += &format!("\n    {from} imports {to}: `{path}`");
    }
    text
}

/// Every file that can be reached from `start` by one import or more.
fn reached<'a>(start: &str, next: &BTreeMap<&'a str, Vec<&'a str>>) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut waiting: Vec<&'a str> = next.get(start).into_iter().flatten().copied().collect();
    while let Some(file) = waiting.pop() {
        if reached.insert(file) {
            waiting.extend(next.get(file).into_iter().flatten());
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Imports are written `a>b`.
    fn of(text: &str) -> Imports {
        let pair = |text: &str| text.split_once('>').map(|(from, to)| (from.to_owned(), to.to_owned())).unwrap();
        text.split_whitespace().map(|text| (pair(text), format!("path::of::{text}"))).collect()
    }

    fn found(text: &str) -> Vec<String> {
        circles(&of(text)).iter().map(|circle| circle.iter().cloned().collect()).collect()
    }

    #[test]
    fn imports_in_one_direction_are_no_circle() {
        assert_eq!(found("a>b b>c a>c d>c"), Vec::<String>::new());
        assert_eq!(found(""), Vec::<String>::new());
    }

    #[test]
    fn a_circle_has_all_its_files_and_no_others() {
        assert_eq!(found("a>b b>a"), ["ab"]);
        assert_eq!(found("x>a a>b b>c c>a c>y"), ["abc"]);
        assert_eq!(found("a>b b>a b>c c>d d>c"), ["ab", "cd"]);
        assert_eq!(found("a>b b>a b>c c>b"), ["abc"]);
    }

    #[test]
    fn the_imports_that_tie_a_circle_are_named() {
        let imports = of("x>a a>b b>a b>c");
        assert_eq!(
            written(&circles(&imports)[0], &imports),
            "a circle of 2 files: a, b\n    a imports b: `path::of::a>b`\n    b imports a: `path::of::b>a`"
        );
    }
}
