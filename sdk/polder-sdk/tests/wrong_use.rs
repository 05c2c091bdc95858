//! What a person sees who uses an attribute or a derive wrongly: the message, and the word it stands at.

#[test]
fn wrong_use_is_told_at_the_wrong_word() {
    trybuild::TestCases::new().compile_fail("tests/wrong-use/*.rs");
}
