//! Damaged and forged tokens, from a seed: the host accepts only the signed ones. `POLDER_FUZZ_CASES` sets the number
//! of cases, `POLDER_SEED` the seed.

use polder_access::{Claims, KnownKey, SigningKey, Verifier};
use polder_tests::{Random, mutated, random_cases};

const CASES: u64 = 20_000;
const NOW_S: u64 = 1_500;

#[test]
fn damaged_tokens_are_refused() {
    let key = SigningKey::generate().unwrap();
    let verifier = Verifier::new(&[KnownKey { public_key: key.public_key(), is_revoked: false }]);
    let claims = |actor: &str, publish: &str| Claims {
        scope: "acme".to_owned().try_into().unwrap(),
        actor: actor.into(),
        issued_at_s: 1_000,
        expires_at_s: 2_000,
        publish: vec![publish.parse().unwrap()],
        subscribe: Vec::new(),
        deny: Vec::new(),
    };
    let good: Vec<Vec<u8>> = [claims("ann", "acme.>"), claims("Jörg", "acme.cmd.orders.>")]
        .map(|claims| claims.sign(&key).unwrap().into_bytes())
        .into();
    let words: Vec<Vec<u8>> = ["none", "HS256", "eyJhbGciOiJub25lIn0", ".", "..", "=", "\u{0}", "kid", "-1"]
        .map(|word| word.as_bytes().to_vec())
        .into();
    random_cases(CASES, |_, random: &mut Random| {
        let bytes = mutated(&good, &words, random);
        let token = String::from_utf8_lossy(&bytes);
        let taken = verifier.verify(&token, NOW_S).is_ok();
        assert_eq!(taken, good.iter().any(|good| good == token.as_bytes()), "{token}");
    });
}
