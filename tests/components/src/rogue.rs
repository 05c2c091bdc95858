//! Variants of the guest `rogue`, which reads its mode from its own bytes.

/// The bytes before the mode, and the length of the mode.
const MARK: &[u8] = b"rogue-mode=";
const MODE_BYTES: usize = 17;

/// `rogue` with its mode overwritten, such as `start-loops`.
pub fn with_mode(rogue: &[u8], mode: &str) -> Vec<u8> {
    let mut bytes = rogue.to_vec();
    let places: Vec<usize> =
        bytes.windows(MARK.len()).enumerate().filter(|(_, found)| *found == MARK).map(|(place, _)| place).collect();
    let [place] = places[..] else { panic!("rogue has {} marks", places.len()) };
    let padded = format!("{mode:.<MODE_BYTES$}");
    assert_eq!(padded.len(), MODE_BYTES, "{mode} is too long");
    bytes[place + MARK.len()..][..MODE_BYTES].copy_from_slice(padded.as_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mode_is_overwritten_and_nothing_else() {
        let good = [b"before", MARK, b"good-............", b"after"].concat();
        let looping = [b"before", MARK, b"start-loops......", b"after"].concat();
        assert_eq!(with_mode(&good, "start-loops"), looping);
    }
}
