//! Finds the place in a JSON text that a line and a column point at: `parcels[1].grams`.
//!
//! Readers could keep track of it while they read, but then every type would be compiled into the component once more, for messages
//! that are hardly ever needed. This looks for it afterwards, in the text, once for all types.

/// The keys and indexes that lead to the value which ends at, or contains, that position. Lines count from 1, columns are the bytes
/// of the line that were read.
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
            // A comma that ends the text read so far was only looked at: the value before it is the one in question.
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

/// `parcels`, `1`, `grams` as a person writes it: `parcels[1].grams`.
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

/// Where the string that opened before `at` has ended.
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
