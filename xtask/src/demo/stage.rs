//! The layout of the demo's output: numbered headings, indented text, readable numbers. It only prints.

use std::io::IsTerminal;

const INDENT: &str = "   ";

/// Prints with styles on a terminal, and without them into a pipe.
pub(super) struct Stage {
    is_styled: bool,
    headings: u32,
}

impl Stage {
    pub(super) fn new() -> Self {
        Self { is_styled: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(), headings: 0 }
    }

    pub(super) fn heading(&mut self, text: &str) {
        self.headings += 1;
        println!("\n{}\n", self.styled("1", &format!("{}  {text}", self.headings)));
    }

    pub(super) fn closing(&self, text: &str) {
        println!("\n{}\n", self.styled("1", text));
    }

    /// A command, as it is run.
    pub(super) fn command(&self, words: &[&str]) {
        let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        println!("{INDENT}{}", self.styled("36", &format!("$ polder {}", words.join(" "))));
    }

    pub(super) fn text(&self, text: &str) {
        for line in text.trim_end().lines() {
            println!("{INDENT}{line}");
        }
    }

    /// Output that arrives by itself while something else happens.
    pub(super) fn aside(&self, text: &str) {
        println!("{INDENT}{}", self.styled("2", &format!("  ⇢ {text}")));
    }

    pub(super) fn gap(&self) {
        println!();
    }

    fn styled(&self, code: &str, text: &str) -> String {
        if self.is_styled { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Writes 1234567 as `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn quoted(word: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "-_./:=,@".contains(character);
    if !word.is_empty() && word.chars().all(is_plain) { word.to_owned() } else { format!("'{word}'") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_three() {
        let cases = [(0, "0"), (999, "999"), (1_000, "1,000"), (100_000, "100,000"), (1_234_567, "1,234,567")];
        for (number, expected) in cases {
            assert_eq!(grouped(number), expected);
        }
    }

    #[test]
    fn only_what_a_shell_would_change_is_quoted() {
        assert_eq!(quoted("orders/order/o-1"), "orders/order/o-1");
        assert_eq!(quoted(r#"{"sku":"TEA"}"#), r#"'{"sku":"TEA"}'"#);
    }
}
