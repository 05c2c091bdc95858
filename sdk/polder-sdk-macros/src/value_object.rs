//! `#[value_object(…)]`: a newtype that no code, not even its own module, can build with a value that its rules refuse.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::parse::{Parse, ParseStream};
use syn::{Data, DeriveInput, Expr, ExprRange, Fields, Ident, LitStr, Path, RangeLimits, Token, Type, Visibility};

const SHAPE: &str = "a value object is a struct around one value: `struct Sku(String);`";
const KEYS: &str =
    "`length = 1..=32`, `chars = \"A-Z0-9-\"`, `range = 1..=100`, `check = function` and `rule = \"...\"`";

#[derive(Default)]
struct Rules {
    length: Option<(Expr, Expr)>,
    chars: Option<Chars>,
    range: Option<(Expr, Expr)>,
    check: Option<Path>,
    rule: Option<LitStr>,
}

impl Parse for Rules {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut rules = Self::default();
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            input.parse::<Token![=]>()?;
            match key.to_string().as_str() {
                "length" => rules.length = Some(bounds(input)?),
                "range" => rules.range = Some(bounds(input)?),
                "chars" => rules.chars = Some(Chars::of(&input.parse()?)?),
                "check" => rules.check = Some(input.parse()?),
                "rule" => rules.rule = Some(input.parse()?),
                other => return Err(syn::Error::new(key.span(), format!("`{other}` is no rule; rules are {KEYS}"))),
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        if rules.length.is_none() && rules.chars.is_none() && rules.range.is_none() && rules.check.is_none() {
            return Err(syn::Error::new(
                Span::call_site(),
                format!("this value object refuses nothing; rules are {KEYS}"),
            ));
        }
        if let (Some(check), None) = (&rules.check, &rules.rule) {
            return Err(syn::Error::new_spanned(
                check,
                "callers need to know what this function checks: add `rule = \"...\"`, as in \"a share code has 5 letters\"",
            ));
        }
        Ok(rules)
    }
}

fn bounds(input: ParseStream<'_>) -> syn::Result<(Expr, Expr)> {
    let range: ExprRange = input.parse()?;
    match (range.start, range.limits, range.end) {
        (Some(start), RangeLimits::Closed(_), Some(end)) => Ok((*start, *end)),
        (start, limits, end) => {
            let range = quote!(#start #limits #end);
            Err(syn::Error::new_spanned(range, "both ends are needed, the last one included: `1..=32`"))
        }
    }
}

/// A set of characters, written as inside the brackets of a regular expression.
struct Chars {
    written: String,
    ranges: Vec<(char, char)>,
}

impl Chars {
    fn of(literal: &LitStr) -> syn::Result<Self> {
        let written = literal.value();
        let letters: Vec<char> = written.chars().collect();
        let mut ranges = Vec::new();
        let mut rest = letters.as_slice();
        loop {
            rest = match rest {
                [] => break,
                [first, '-', last, rest @ ..] => {
                    if first > last {
                        return Err(syn::Error::new(literal.span(), format!("the range {first}-{last} is empty")));
                    }
                    ranges.push((*first, *last));
                    rest
                }
                [one, rest @ ..] => {
                    ranges.push((*one, *one));
                    rest
                }
            }
        }
        if ranges.is_empty() {
            return Err(syn::Error::new(literal.span(), "no character would be allowed"));
        }
        Ok(Self { written, ranges })
    }

    /// The set as a regular expression of JSON schema.
    fn pattern(&self) -> String {
        let escape = |letter: char| match letter {
            '\\' | ']' | '[' | '^' | '-' => format!("\\{letter}"),
            letter => letter.to_string(),
        };
        let mut pattern = "^[".to_owned();
        for (first, last) in &self.ranges {
            pattern += &escape(*first);
            if first != last {
                pattern.push('-');
                pattern += &escape(*last);
            }
        }
        pattern + "]*$"
    }
}

enum Kind {
    Text,
    Number,
    Other,
}

pub(crate) fn expand(attribute: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let rules: Rules = syn::parse2(attribute)?;
    let input: DeriveInput = syn::parse2(item)?;
    let (ident, ty) = (&input.ident, inner(&input)?);
    let kind = kind_of(ty);
    if !matches!(kind, Kind::Text) && (rules.length.is_some() || rules.chars.is_some()) {
        return Err(syn::Error::new_spanned(ty, "`length` and `chars` are rules for a `String`"));
    }
    let (checks, schema) = checks(&rules);
    let rule_text = rule_text(&rules);
    let parts = [
        checked(ident, ty, &checks),
        access(&kind, ident, ty),
        literal(&kind, ident, ty, &rules).unwrap_or_default(),
        conversions(ident, ty),
        json(&kind, ident, ty),
        json_schema(ident, ty, &schema),
    ];
    let module = format_ident!("__value_object_{}", ident);
    // The struct moves into a module of its own, so that privacy keeps all other code from building it unchecked.
    let outside = &input.vis;
    let mut inside = input.clone();
    inside.vis = Visibility::Public(Token![pub](Span::call_site()));
    Ok(quote! {
        #[doc(hidden)]
        #[allow(non_snake_case, unreachable_pub, unused_imports, unused_comparisons, clippy::absurd_extreme_comparisons)]
        mod #module {
            use super::*;

            #inside

            #[automatically_derived]
            const _: () = {
                use ::polder_sdk::__private::{schemars, serde};

                fn rule() -> ::std::string::String { #rule_text }

                #(#parts)*
            };
        }
        #outside use #module::#ident;
    })
}

/// The only function that builds a value.
fn checked(ident: &Ident, ty: &Type, checks: &[TokenStream]) -> TokenStream {
    let word = ident.to_string();
    quote! {
        impl #ident {
            fn checked(value: #ty) -> ::core::result::Result<Self, ::polder_sdk::InvalidValue> {
                if #(#checks)&&* {
                    ::core::result::Result::Ok(Self(value))
                } else {
                    ::core::result::Result::Err(::polder_sdk::InvalidValue::new(#word, &value, rule()))
                }
            }
        }
    }
}

fn conversions(ident: &Ident, ty: &Type) -> TokenStream {
    quote! {
        impl ::core::convert::TryFrom<#ty> for #ident {
            type Error = ::polder_sdk::InvalidValue;
            fn try_from(value: #ty) -> ::core::result::Result<Self, Self::Error> { Self::checked(value) }
        }

        impl ::core::convert::From<#ident> for #ty {
            fn from(value: #ident) -> Self { value.0 }
        }
    }
}

/// Writing and reading. Reading checks the rules.
fn json(kind: &Kind, ident: &Ident, ty: &Type) -> TokenStream {
    let read = match kind {
        Kind::Text => quote!(::polder_sdk::__private::read_text(deserializer, Self::checked)),
        Kind::Number => quote!(::polder_sdk::__private::read_number(deserializer, Self::checked)),
        Kind::Other => quote! {
            let value = <#ty as serde::Deserialize>::deserialize(deserializer)?;
            Self::checked(value).map_err(serde::de::Error::custom)
        },
    };
    quote! {
        impl serde::Serialize for #ident {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> ::core::result::Result<S::Ok, S::Error> {
                serde::Serialize::serialize(&self.0, serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for #ident {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> ::core::result::Result<Self, D::Error> {
                #read
            }
        }
    }
}

fn json_schema(ident: &Ident, ty: &Type, statements: &[TokenStream]) -> TokenStream {
    let word = ident.to_string();
    quote! {
        impl schemars::JsonSchema for #ident {
            fn inline_schema() -> bool { true }

            fn schema_name() -> ::std::borrow::Cow<'static, str> { ::std::borrow::Cow::Borrowed(#word) }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let mut schema = <#ty as schemars::JsonSchema>::json_schema(generator);
                schema.insert("description".to_owned(), rule().into());
                #(#statements)*
                schema
            }
        }
    }
}

fn inner(input: &DeriveInput) -> syn::Result<&Type> {
    if let Some(parameter) = input.generics.params.first() {
        return Err(syn::Error::new_spanned(parameter, "a value object cannot be generic"));
    }
    let Data::Struct(data) = &input.data else {
        return Err(syn::Error::new(input.ident.span(), SHAPE));
    };
    match &data.fields {
        Fields::Unnamed(fields) if fields.unnamed.len() == 1 => match &fields.unnamed[0].vis {
            Visibility::Inherited => Ok(&fields.unnamed[0].ty),
            public => {
                Err(syn::Error::new_spanned(public, "this field has to be private: other code could bypass the rule"))
            }
        },
        _ => Err(syn::Error::new(input.ident.span(), SHAPE)),
    }
}

fn kind_of(ty: &Type) -> Kind {
    let Type::Path(path) = ty else { return Kind::Other };
    match path.path.segments.last().map(|segment| segment.ident.to_string()).as_deref() {
        Some("String") => Kind::Text,
        Some("u8" | "u16" | "u32" | "u64" | "i8" | "i16" | "i32" | "i64" | "usize" | "isize") => Kind::Number,
        _ => Kind::Other,
    }
}

/// The conditions on `value`, and the statements that put them into `schema`.
fn checks(rules: &Rules) -> (Vec<TokenStream>, Vec<TokenStream>) {
    let (mut checks, mut schema) = (Vec::new(), Vec::new());
    if let Some((least, most)) = &rules.length {
        checks.push(quote!((#least..=#most).contains(&::polder_sdk::__private::characters(&value))));
        schema.push(quote!(schema.insert("minLength".to_owned(), (#least).into());));
        schema.push(quote!(schema.insert("maxLength".to_owned(), (#most).into());));
    }
    if let Some(chars) = &rules.chars {
        let ranges = chars.ranges.iter().map(|(first, last)| quote!(#first..=#last));
        checks.push(quote!(value.chars().all(|letter| ::core::matches!(letter, #(#ranges)|*))));
        let pattern = chars.pattern();
        schema.push(quote!(schema.insert("pattern".to_owned(), #pattern.into());));
    }
    if let Some((least, most)) = &rules.range {
        checks.push(quote!((#least..=#most).contains(&value)));
        schema.push(quote!(schema.insert("minimum".to_owned(), (#least).into());));
        schema.push(quote!(schema.insert("maximum".to_owned(), (#most).into());));
    }
    if let Some(check) = &rules.check {
        checks.push(quote!(#check(&value)));
    }
    (checks, schema)
}

/// The rule as text, as an expression of type `String`.
fn rule_text(rules: &Rules) -> TokenStream {
    if let Some(rule) = &rules.rule {
        return quote!(::std::string::String::from(#rule));
    }
    match (&rules.length, &rules.chars, &rules.range) {
        (_, _, Some((least, most))) => quote!(::std::format!("it is {} to {}", #least, #most)),
        (Some((least, most)), None, _) => quote!(::std::format!("it has {} to {} characters", #least, #most)),
        (Some((least, most)), Some(chars), _) => {
            let written = &chars.written;
            quote!(::std::format!("it has {} to {} characters of {}", #least, #most, #written))
        }
        (None, Some(chars), _) => {
            let text = format!("it has characters of {} only", chars.written);
            quote!(::std::string::String::from(#text))
        }
        (None, None, None) => quote!(::std::string::String::new()),
    }
}

fn access(kind: &Kind, ident: &Ident, ty: &Type) -> TokenStream {
    let display = quote! {
        impl ::core::fmt::Display for #ident {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result { ::core::fmt::Display::fmt(&self.0, f) }
        }
    };
    match kind {
        Kind::Text => quote! {
            impl #ident {
                /// Makes a value object of `value`.
                /// # Errors
                /// Fails when the rule does not allow it; the error states the rule.
                pub fn new(value: impl ::core::convert::Into<::std::string::String>) -> ::core::result::Result<Self, ::polder_sdk::InvalidValue> {
                    Self::checked(value.into())
                }

                /// The text.
                pub fn as_str(&self) -> &str { &self.0 }
            }

            impl ::core::convert::AsRef<str> for #ident {
                fn as_ref(&self) -> &str { &self.0 }
            }
            #display
        },
        Kind::Number => quote! {
            impl #ident {
                /// Makes a value object of `value`.
                /// # Errors
                /// Fails when the rule does not allow it; the error states the rule.
                pub fn new(value: #ty) -> ::core::result::Result<Self, ::polder_sdk::InvalidValue> { Self::checked(value) }

                /// The number.
                pub fn get(&self) -> #ty { self.0 }
            }
            #display
        },
        Kind::Other => quote! {
            impl #ident {
                /// Makes a value object of `value`.
                /// # Errors
                /// Fails when the rule does not allow it; the error states the rule.
                pub fn new(value: #ty) -> ::core::result::Result<Self, ::polder_sdk::InvalidValue> { Self::checked(value) }

                /// The value.
                pub fn get(&self) -> &#ty { &self.0 }
            }
        },
    }
}

/// For numbers in a range: a constructor that checks its value at compile time.
fn literal(kind: &Kind, ident: &Ident, ty: &Type, rules: &Rules) -> Option<TokenStream> {
    let (Kind::Number, Some((least, most)), None) = (kind, &rules.range, &rules.check) else { return None };
    Some(quote! {
        impl #ident {
            /// The number `VALUE`. A number that the rule does not allow stops the build.
            pub const fn of<const VALUE: #ty>() -> Self {
                const { ::core::assert!(VALUE >= #least && VALUE <= #most, "this number is not in the range of the value object") };
                Self(VALUE)
            }
        }
    })
}
