//! Shows the lines in which two outcomes differ. Knows nothing of what the lines mean.

/// Returns `- ` with each line that is only in `natively`, and `+ ` with each that is only in `sandboxed`. Empty if
/// they are equal.
pub(crate) fn lines_apart(natively: &[String], sandboxed: &[String]) -> Vec<String> {
    if natively == sandboxed {
        return Vec::new();
    }
    let before = natively.iter().zip(sandboxed).take_while(|(a, b)| a == b).count();
    let (natively, sandboxed) = (&natively[before..], &sandboxed[before..]);
    let after = natively.iter().rev().zip(sandboxed.iter().rev()).take_while(|(a, b)| a == b).count();
    let gone = natively[..natively.len() - after].iter().map(|line| format!("- {line}"));
    let come = sandboxed[..sandboxed.len() - after].iter().map(|line| format!("+ {line}"));
    gone.chain(come).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apart(natively: &str, sandboxed: &str) -> String {
        let lines = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        lines_apart(&lines(natively), &lines(sandboxed)).join(" ")
    }

    #[test]
    fn only_what_differs_is_shown() {
        assert_eq!(apart("a b c", "a b c"), "");
        assert_eq!(apart("a b c", "a x c"), "- b + x");
        assert_eq!(apart("a", "a b"), "+ b");
        assert_eq!(apart("a a", "a"), "- a");
        assert_eq!(apart("", ""), "");
    }
}
