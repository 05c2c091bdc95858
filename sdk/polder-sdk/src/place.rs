//! Finds the place in a JSON text that a line and a column point at: `parcels[1].grams`.
//!
//! A reader could track the place while it reads, but then each type would be compiled into the component a second
//! time, for messages that are rarely needed. This module finds the place afterwards in the text, with the same code
//! for all types.

/// The keys and indexes that lead to the value that contains that position or ends at it. Lines count from 1; the
/// column is the number of bytes of the line that were read.
pub(crate) fn place_at(json: &[u8], line: usize, column: usize) -> Vec<String> {
    let line_start: usize =
        json.split_inclusive(|byte| *byte == b'\n').take(line.saturating_sub(1)).map(<[u8]>::len).sum();
    let end = (line_start + column).min(json.len());
    let mut levels: Vec<Level> = Vec::new();
    let mut at = 0;
    while at < end {
        let byte = json[at];
        at += 1;
        match (byte, levels.last_mut()) {
            (b'{', _) => levels.push(Level::Object(None)),
            (b'[', _) => levels.push(Level::Array(0)),
            (b'}' | b']', _) => {
                levels.pop();
            }
            // The reader has peeked at a comma that ends the text read so far; the value before the comma is meant.
            (b',', Some(_)) if at == end => {}
            (b',', Some(Level::Object(key))) => *key = None,
            (b',', Some(Level::Array(index))) => *index += 1,
            (b'"', level) => {
                let start = at;
                at = string_end(json, at);
                if let Some(Level::Object(key @ None)) = level {
                    *key = Some(String::from_utf8_lossy(&json[start..at.saturating_sub(1).max(start)]).into_owned());
                }
            }
            _ => {}
        }
    }
    levels.into_iter().filter_map(Level::segment).collect()
}

/// Writes `parcels`, `1`, `grams` as people do: `parcels[1].grams`.
pub(crate) fn written(place: &[String]) -> String {
    let mut text = String::new();
    for segment in place {
        if segment.bytes().all(|byte| byte.is_ascii_digit()) {
            text += &format!("[{segment}]");
        } else {
            if !text.is_empty() {
                text.push('.');
            }
            text += segment;
        }
    }
    text
}

enum Level {
    Object(Option<String>),
    Array(usize),
}

impl Level {
    fn segment(self) -> Option<String> {
        match self {
            Self::Object(key) => key,
            Self::Array(index) => Some(index.to_string()),
        }
    }
}

/// The position after the string that opened before `at`.
fn string_end(json: &[u8], mut at: usize) -> usize {
    while let Some(byte) = json.get(at) {
        at += match byte {
            b'\\' => 2,
            b'"' => return at + 1,
            _ => 1,
        };
    }
    json.len()
}
