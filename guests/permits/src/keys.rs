//! Keys of documents, made from names of people and departments: valid as a path segment, and different for different
//! names.

/// Letters and digits of ASCII stay, a blank becomes `-`, and every other byte becomes `~` and two hexadecimal digits:
/// `Customer contact` is `Customer-contact`. No two names have the same key.
pub(crate) fn key(name: &str) -> String {
    let mut key = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b' ' => key.push('-'),
            byte if byte.is_ascii_alphanumeric() => key.push(char::from(byte)),
            byte => key += &format!("~{byte:02X}"),
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use super::key;

    #[test]
    fn keys_are_fit_for_paths_and_differ_where_names_do() {
        for (name, expected) in [
            ("General", "General"),
            ("general", "general"),
            ("Customer contact", "Customer-contact"),
            ("Customer-contact", "Customer~2Dcontact"),
            ("a_b/c", "a~5Fb~2Fc"),
            ("~2D", "~7E2D"),
            ("Bürgeramt", "B~C3~BCrgeramt"),
        ] {
            assert_eq!(key(name), expected);
        }
    }
}
