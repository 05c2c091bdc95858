//! The compiler's output for a wrong use of an attribute or a derive: the message, and the word that it points at.

#[test]
fn wrong_use_is_reported_at_the_wrong_word() {
    trybuild::TestCases::new().compile_fail("tests/wrong-use/*.rs");
}
