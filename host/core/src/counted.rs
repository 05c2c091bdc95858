//! Counts with their nouns, for messages: "1 event", "2 events".

use std::fmt::Display;

/// A count with its noun, which gets an "s" unless the count is one. All messages of the host and of the command line
/// use it.
pub fn counted(count: impl Display, noun: &str) -> String {
    let count = count.to_string();
    let ending = if count == "1" { "" } else { "s" };
    format!("{count} {noun}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_is_singular() {
        assert_eq!(counted(0_u64, "event"), "0 events");
        assert_eq!(counted(1_usize, "event"), "1 event");
        assert_eq!(counted(11_u32, "event"), "11 events");
    }
}
