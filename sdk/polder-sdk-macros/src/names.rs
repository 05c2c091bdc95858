//! Names of commands, events and other items: how they are derived from Rust names, and the rule that they follow.

use proc_macro2::{Ident, Span};
use syn::{Attribute, Expr, ExprLit, Lit, LitStr, Meta};

/// The longest name, in bytes, as in the host.
const NAME_BYTES_MAX: usize = 63;

/// Words with another meaning in paths and subjects, as in the host. No domain, aggregate, command or projection may
/// have one as its name.
const RESERVED_NAMES: [&str; 12] = [
    "domains", "events", "views", "effects", "parked", "catalog", "cmd", "commands", "query", "result", "state",
    "admin",
];

/// Turns `OrderSubmitted` into `order-submitted`.
pub(crate) fn kebab(ident: &Ident) -> String {
    let text = ident.to_string();
    let text = text.strip_prefix("r#").unwrap_or(&text);
    let mut name = String::with_capacity(text.len() + 4);
    let mut before = None::<char>;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == '_' {
            name.push('-');
        } else {
            // A word starts at a capital after a small letter or a digit, and at the last capital of a run: `HTTPCall`
            // is `http-call`.
            let starts_word = letter.is_uppercase()
                && match before {
                    None | Some('_') => false,
                    Some(before) => !before.is_uppercase() || letters.peek().is_some_and(|next| next.is_lowercase()),
                };
            if starts_word {
                name.push('-');
            }
            name.extend(letter.to_lowercase());
        }
        before = Some(letter);
    }
    name
}

/// The problem with `name`, if there is one, and the rule.
pub(crate) fn problem_of(name: &str) -> Option<String> {
    let problem = match name.as_bytes() {
        [] => "is empty",
        bytes if bytes.len() > NAME_BYTES_MAX => "is too long",
        [first, ..] if !first.is_ascii_lowercase() => "does not start with a small letter",
        bytes if !bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-') => {
            "has a character that is not allowed"
        }
        _ => return None,
    };
    Some(format!(
        "the name {name:?} {problem}: a name has 1 to {NAME_BYTES_MAX} characters a-z, 0-9 and '-', and starts with a letter"
    ))
}

/// The name that an author wrote.
pub(crate) fn written(literal: &LitStr) -> syn::Result<String> {
    let name = literal.value();
    match problem_of(&name) {
        Some(problem) => Err(syn::Error::new(literal.span(), problem)),
        None => Ok(name),
    }
}

/// The written name of a domain, an aggregate, a command or a projection, which is a segment of paths and subjects.
pub(crate) fn written_segment(literal: &LitStr) -> syn::Result<String> {
    let name = written(literal)?;
    check_segment(&name, literal.span())?;
    Ok(name)
}

/// Refuses a name that equals a reserved word of paths and subjects.
pub(crate) fn check_segment(name: &str, span: Span) -> syn::Result<()> {
    if RESERVED_NAMES.contains(&name) {
        let problem = format!("the name {name:?} has a meaning of its own in paths and subjects: take another");
        return Err(syn::Error::new(span, problem));
    }
    Ok(())
}

/// The name derived from a Rust name.
pub(crate) fn derived(ident: &Ident) -> syn::Result<String> {
    let name = kebab(ident);
    match problem_of(&name) {
        Some(problem) => Err(syn::Error::new(ident.span(), problem)),
        None => Ok(name),
    }
}

/// The doc comment, with its line breaks.
pub(crate) fn doc(attributes: &[Attribute]) -> String {
    let mut lines = Vec::new();
    for attribute in attributes {
        if let Meta::NameValue(pair) = &attribute.meta
            && pair.path.is_ident("doc")
            && let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = &pair.value
        {
            let line = text.value();
            lines.push(line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned());
        }
    }
    lines.join("\n").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kebab_case_follows_the_words() {
        for (rust, name) in [
            ("OrderSubmitted", "order-submitted"),
            ("Submitted", "submitted"),
            ("HTTPCallMade", "http-call-made"),
            ("Step2Done", "step2-done"),
            ("snake_case", "snake-case"),
            ("r#Move", "move"),
        ] {
            let ident = syn::parse_str(rust).unwrap_or_else(|_| Ident::new(rust, Span::call_site()));
            assert_eq!(kebab(&ident), name);
        }
    }

    #[test]
    fn names_keep_the_hosts_rule() {
        for good in ["a", "order", "order-line-2", &"x".repeat(63)] {
            assert_eq!(problem_of(good), None);
        }
        for bad in ["", "Order", "1order", "-a", "a b", "a.b", "ü", &"x".repeat(64)] {
            assert!(problem_of(bad).is_some_and(|problem| problem.contains("a name has 1 to 63")), "{bad}");
        }
    }
}
