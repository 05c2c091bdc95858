//! Damaged headers of commands: each is refused, or means what is written in it.

use polder_fuzz::{Damage, run};

use super::*;

/// Headers of which each has this value.
struct Same(Vec<u8>);

impl Headers for Same {
    fn values<'a>(&'a self, _: &'static str) -> impl Iterator<Item = &'a [u8]> {
        std::iter::once(self.0.as_slice())
    }
}

#[test]
fn damaged_headers_are_refused_or_read_as_written() {
    let good =
        ["\"row-7\"", "\"5\"", "18446744073709551615", "Jörg", "00-4bf92f35-00f067aa-01", "true", "W/\"5\", \"6\""];
    let damage = Damage::new(good, &["\"", "\"\"", ",", "*", "-", "+", " ", "\t", "\r\n", "\0", "false", "é"]);
    let counts = run(1_000, |random| {
        let headers = Same(damage.some_undamaged(random));
        let text = str::from_utf8(&headers.0).ok();
        let mut is_accepted = false;
        let mut check = |read: Option<String>, written: Option<&str>| {
            is_accepted |= read.is_some();
            assert!(read.is_none() || read.as_deref() == written, "{read:?} was read from {text:?}");
        };
        check(command_id(&headers).ok().flatten().map(String::from), text.map(unquoted));
        check(correlation_id(&headers).ok().flatten().map(String::from), text);
        check(causation_id(&headers).ok().flatten().map(String::from), text);
        check(actor(&headers).ok().flatten(), text);
        check(traceparent(&headers).ok().flatten().map(str::to_owned), text);
        check(retry_rejected(&headers).ok().map(|retry| retry.to_string()), text);
        if let Ok(Some(sequence)) = expected_sequence(&headers) {
            let written = Same(format!("\"{}\"", sequence.0).into());
            assert_eq!(expected_sequence(&written).ok().flatten(), Some(sequence));
        }
        assert!(hops(&headers).ok().is_none_or(|hops| hops <= HOPS_MAX));
        let _ = (last_event_id(&headers), trail(&headers));
        is_accepted
    });
    counts.assert_both();
}
