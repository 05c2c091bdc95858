//! Writes the fields of a log line. It escapes characters that would end the line or change what a terminal shows of
//! it.

use std::fmt::{self, Debug, Write};

use tracing::field::Field;
use tracing_subscriber::fmt::format::Writer;

const MESSAGE: &str = "message";

pub(super) fn field(writer: &mut Writer<'_>, field: &Field, value: &dyn Debug) -> fmt::Result {
    if field.name() != MESSAGE {
        write!(writer, "{}=", field.name())?;
    }
    write!(Escaping(writer), "{value:?}")
}

struct Escaping<W>(W);

impl<W: Write> Write for Escaping<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((index, character)) = rest.char_indices().find(|(_, character)| is_harmful(*character)) {
            self.0.write_str(&rest[..index])?;
            write!(self.0, "{}", character.escape_default())?;
            rest = &rest[index + character.len_utf8()..];
        }
        self.0.write_str(rest)
    }
}

/// Control characters, other line ends, and characters that change the direction of text.
fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str) -> String {
        let mut escaped = String::new();
        Escaping(&mut escaped).write_str(text).unwrap();
        escaped
    }

    #[test]
    fn text_from_outside_stays_in_its_line() {
        assert_eq!(escaped("a note, with ümlauts \"and\" \\"), "a note, with ümlauts \"and\" \\");
        assert_eq!(escaped("one\n2026-01-01 ERROR two\r\n"), "one\\n2026-01-01 ERROR two\\r\\n");
        assert_eq!(escaped("\u{1b}[2J\0\u{85}\u{2028}\u{202e}"), "\\u{1b}[2J\\u{0}\\u{85}\\u{2028}\\u{202e}");
    }
}
