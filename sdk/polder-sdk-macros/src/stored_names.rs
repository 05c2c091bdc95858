//! The names under which serde writes the variants of an enum: by the attributes `rename` and `rename_all`, or by
//! serde's default.

use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, Ident, Lit, Meta, Token, Variant};

use crate::names;

/// serde's rule for the name of a variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    AsWritten,
    Lower,
    Upper,
    Camel,
    Snake,
    ScreamingSnake,
    Kebab,
    ScreamingKebab,
    /// No rule is written: the type writes itself, and Polder's own form applies.
    Own,
}

impl Rule {
    pub(crate) fn of(attributes: &[Attribute]) -> Self {
        match attribute_value(attributes, "rename_all").as_deref() {
            Some("PascalCase") => Self::AsWritten,
            Some("lowercase") => Self::Lower,
            Some("UPPERCASE") => Self::Upper,
            Some("camelCase") => Self::Camel,
            Some("snake_case") => Self::Snake,
            Some("SCREAMING_SNAKE_CASE") => Self::ScreamingSnake,
            Some("kebab-case") => Self::Kebab,
            Some("SCREAMING-KEBAB-CASE") => Self::ScreamingKebab,
            // serde reports a rule that does not exist.
            Some(_) | None => Self::Own,
        }
    }

    fn apply(self, ident: &Ident) -> String {
        let text = ident.to_string();
        let name = text.strip_prefix("r#").unwrap_or(&text);
        match self {
            Self::AsWritten => name.to_owned(),
            Self::Lower => name.to_ascii_lowercase(),
            Self::Upper => name.to_ascii_uppercase(),
            Self::Camel => {
                let (first, rest) = name.split_at(name.chars().next().map_or(0, char::len_utf8));
                first.to_ascii_lowercase() + rest
            }
            Self::Snake => snake(name),
            Self::ScreamingSnake => snake(name).to_ascii_uppercase(),
            Self::Kebab => snake(name).replace('_', "-"),
            Self::ScreamingKebab => snake(name).to_ascii_uppercase().replace('_', "-"),
            Self::Own => names::kebab(ident),
        }
    }
}

/// As serde does: each capital but the first begins a word.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for (index, letter) in name.char_indices() {
        if index > 0 && letter.is_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// The name of a variant in JSON.
pub(crate) fn stored(variant: &Variant, rule: Rule) -> String {
    attribute_value(&variant.attrs, "rename").unwrap_or_else(|| rule.apply(&variant.ident))
}

/// The value of `#[serde(word = "...")]` or `#[serde(word(serialize = "..."))]`.
fn attribute_value(attributes: &[Attribute], word: &str) -> Option<String> {
    let serde = attributes.iter().filter(|attribute| attribute.path().is_ident("serde"));
    // serde reports a malformed attribute.
    let metas =
        serde.filter_map(|attribute| attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).ok());
    metas.flatten().filter(|meta| meta.path().is_ident(word)).find_map(|meta| match meta {
        Meta::NameValue(pair) => text(&pair.value),
        Meta::List(list) => {
            let ways = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).ok()?;
            ways.into_iter().find_map(|way| match way {
                Meta::NameValue(pair) if pair.path.is_ident("serialize") => text(&pair.value),
                _ => None,
            })
        }
        Meta::Path(_) => None,
    })
}

fn text(value: &Expr) -> Option<String> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use syn::{DeriveInput, parse_quote};

    use super::*;

    fn names(input: &DeriveInput) -> Vec<String> {
        let syn::Data::Enum(data) = &input.data else { unreachable!() };
        data.variants.iter().map(|variant| stored(variant, Rule::of(&input.attrs))).collect()
    }

    #[test]
    fn names_are_those_that_serde_writes() {
        let kebab: DeriveInput = parse_quote! {
            #[serde(rename_all = "kebab-case", rename_all_fields = "snake_case")]
            enum Status {
                InWork,
                #[serde(rename = "draft")]
                Sketch,
                #[serde(alias = "old", rename(serialize = "out", deserialize = "in"))]
                Done,
                HTTPCall,
            }
        };
        assert_eq!(names(&kebab), ["in-work", "draft", "out", "h-t-t-p-call"]);
        for (rule, name) in [
            ("PascalCase", "InWork"),
            ("lowercase", "inwork"),
            ("UPPERCASE", "INWORK"),
            ("camelCase", "inWork"),
            ("snake_case", "in_work"),
            ("SCREAMING_SNAKE_CASE", "IN_WORK"),
            ("SCREAMING-KEBAB-CASE", "IN-WORK"),
        ] {
            let input: DeriveInput = parse_quote! { #[serde(rename_all = #rule)] enum Status { InWork } };
            assert_eq!(names(&input), [name], "{rule}");
        }
        let own: DeriveInput = parse_quote! { enum Status { HTTPCall } };
        assert_eq!(names(&own), ["http-call"]);
    }
}
