//! Damaged and forged tokens: the host accepts only the signed ones.

use polder_access::{Claims, KnownKey, SigningKey, Verifier};
use polder_fuzz::{Damage, run};

const CASES_MIN: u64 = 2_000;
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
    let good = [claims("ann", "acme.>"), claims("Jörg", "acme.cmd.orders.>")].map(|claims| claims.sign(&key).unwrap());
    let words = ["none", "HS256", "eyJhbGciOiJub25lIn0", ".", "..", "=", "\u{0}", "kid", "-1"];
    let damage = Damage::new(good.clone(), &words);
    let counts = run(CASES_MIN, |random| {
        let bytes = damage.some_undamaged(random);
        let token = String::from_utf8_lossy(&bytes);
        let is_accepted = verifier.verify(&token, NOW_S).is_ok();
        assert_eq!(is_accepted, good.iter().any(|good| *good == token), "{token}");
        is_accepted
    });
    counts.assert_both();
}
