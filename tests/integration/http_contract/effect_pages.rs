//! A page of effects ends before its payloads are too many; a page has at least one effect.

use polder_tests::Host;

use crate::hostile::guests::good;

/// The host's bound on the payloads of one page.
const EFFECT_BYTES_PER_PAGE_MAX: usize = 4 * 1024 * 1024;
/// What one event of the guest asks for, in payloads of 60,002 bytes.
const EFFECTS: usize = 100;

#[test]
fn a_page_of_effects_ends_before_its_bytes_are_too_many() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(&folder.path().join("data"));
    let client = host.client();
    client.put("/v1/main/domains/rogue", good("rogue")).json(200);
    client.post("/v1/main/rogue/thing/apply-wide/do", "{}").json(200);
    client.get("/v1/main/rogue/views/board?after=1&timeout_ms=60000").json(200);
    let (mut cursor, mut keys, mut pages) = ("0".to_owned(), Vec::new(), 0);
    loop {
        let page = client.get(&format!("/v1/main/rogue/effects?after={cursor}&limit=1000")).json(200);
        let effects = page["effects"].as_array().unwrap();
        let bytes: usize = effects.iter().map(|effect| effect["payload"].as_str().unwrap().len() + 2).sum();
        assert!(!effects.is_empty() && bytes <= EFFECT_BYTES_PER_PAGE_MAX, "{} effects, {bytes} bytes", effects.len());
        keys.extend(effects.iter().map(|effect| effect["key"].as_str().unwrap().to_owned()));
        pages += 1;
        if page["has_more"] == false {
            break;
        }
        cursor = page["next"].as_str().unwrap().to_owned();
    }
    assert_eq!((keys, pages), ((0..EFFECTS).map(|number| format!("1-{number}")).collect(), 2));
}
