//! Content ids as text: a CIDv1 (codec dag-cbor, multihash blake3 of 32 bytes) in base 32, as the multiformats project
//! defines them.

/// Version 1, codec dag-cbor, hash blake3, length 32.
pub(crate) const CID_PREFIX: [u8; 4] = [0x01, 0x71, 0x1e, 0x20];
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// Length of a content id as text: the letter that stands for base 32, and 36 bytes without padding.
pub(crate) const CID_TEXT_BYTES: usize = 1 + 58;

/// A digest as the text of its content id.
pub(crate) fn cid_text(digest: &[u8; 32]) -> String {
    let mut text = String::with_capacity(CID_TEXT_BYTES);
    text.push('b');
    let (mut buffer, mut bits) = (0_u32, 0);
    for byte in CID_PREFIX.iter().chain(digest) {
        buffer = (buffer << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(BASE32[(buffer >> bits) as usize & 31] as char);
        }
        buffer &= (1 << bits) - 1;
    }
    text.push(BASE32[(buffer << (5 - bits)) as usize & 31] as char);
    debug_assert_eq!(text.len(), CID_TEXT_BYTES, "36 bytes are 57 digits of five bits, and three bits more");
    text
}

/// The digest of a content id; `None` if the text is not exactly what [`cid_text`] returns.
pub(crate) fn parse_cid(text: &str) -> Option<[u8; 32]> {
    let digits = text.strip_prefix('b').filter(|_| text.len() == CID_TEXT_BYTES)?;
    let mut bytes = [0; CID_PREFIX.len() + 32];
    let mut free = bytes.iter_mut();
    let (mut buffer, mut bits) = (0_u32, 0);
    for digit in digits.bytes() {
        let value = match digit {
            b'a'..=b'z' => digit - b'a',
            b'2'..=b'7' => digit - b'2' + 26,
            _ => return None,
        };
        buffer = (buffer << 5) | u32::from(value);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            *free.next()? = (buffer >> bits) as u8;
            buffer &= (1 << bits) - 1;
        }
    }
    let (prefix, digest) = bytes.split_first_chunk::<4>()?;
    (buffer == 0 && *prefix == CID_PREFIX).then_some(())?;
    digest.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ids_and_back() {
        for digest in [[0; 32], [0xff; 32], std::array::from_fn(|at| at as u8 * 7)] {
            let text = cid_text(&digest);
            assert!(text.starts_with("bafyr4i"), "{text}");
            assert_eq!(parse_cid(&text), Some(digest));
            for bad in ["", "b", &text[1..], &text.to_uppercase(), &format!("{text}a"), &text.replacen('b', "1", 1)] {
                assert_eq!(parse_cid(bad), None, "{bad}");
            }
        }
        assert_eq!(parse_cid("bafkr4i5q6f4zchyzlmxkdozndpm5egnvnvlvfbxsw2xrfr3zmjvnkkxiqm"), None, "another codec");
    }

    #[test]
    fn unused_bits_are_zero() {
        let text = cid_text(&[0; 32]);
        let last = text.len() - 1;
        assert_eq!(parse_cid(&format!("{}b", &text[..last])), None);
    }
}
