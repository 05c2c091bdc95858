//! `#[data]`: a plain struct or enum that crosses the border as JSON.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Field, Ident, Type};

pub(crate) fn expand(attribute: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    if let Some(token) = attribute.into_iter().next() {
        return Err(syn::Error::new(token.span(), "`#[data]` takes nothing in brackets"));
    }
    let input: DeriveInput = syn::parse2(item)?;
    let derives = derives(&input);
    let known = known_fields(&input);
    Ok(quote!(#derives #input #known))
}

/// Stops the build at the type of a field that has no JSON form, with a message in the author's words. Messages of the
/// derives follow, because they are for the author's own type.
pub(crate) fn known_fields(input: &DeriveInput) -> TokenStream {
    if !input.generics.params.is_empty() {
        return TokenStream::new();
    }
    let fields: Vec<&Field> = match &input.data {
        Data::Struct(data) => data.fields.iter().collect(),
        Data::Enum(data) => data.variants.iter().flat_map(|variant| &variant.fields).collect(),
        Data::Union(_) => Vec::new(),
    };
    let types = fields.iter().filter(|field| !field.attrs.iter().any(reads_otherwise)).map(|field| &field.ty);
    let known =
        types.map(|ty| quote_spanned!(ty.span()=> const _: () = ::polder_sdk::__private::assert_data::<#ty>();));
    quote!(#(#known)*)
}

/// The name of the function that returns the form of a field of `variant`.
pub(crate) fn form_name(variant: &Ident, index: usize) -> Ident {
    format_ident!("__form_{}_{}", variant, index)
}

/// A function that returns the form of `ty`. It alone stops the build when the type has none: to its callers the type
/// behind `impl` is a form in any case. All its tokens have the spans of the type, so that the compiler reports the
/// same message at the same place, and prints it once.
pub(crate) fn form(name: &Ident, ty: &Type) -> TokenStream {
    let spans: Vec<Span> = ty.to_token_stream().into_iter().map(|token| token.span()).collect();
    let (first, last) = match spans.as_slice() {
        [first, .., last] => (*first, *last),
        _ => (ty.span(), ty.span()),
    };
    let returned = quote_spanned!(first=> impl ::polder_sdk::__private::Form<);
    let (start, end) = (quote_spanned!(first=> ::polder_sdk::__private::form::<), quote_spanned!(last=> >()));
    let (close, body) = (quote_spanned!(last=> >), quote_spanned!(first=> { #start #ty #end }));
    quote! {
        #[allow(non_snake_case)]
        fn #name() -> #returned #ty #close #body
    }
}

/// An expression for the type that reads a whole `ty`, as a `PhantomData`.
pub(crate) fn whole(form: &Ident, ty: &Type) -> TokenStream {
    quote!(::polder_sdk::__private::Field::<#ty, _>::shape(#form()))
}

/// Whether generated code can read the field by the form of its type.
pub(crate) fn has_form(field: &Field) -> bool {
    !field.attrs.iter().any(|attribute| reads_otherwise(attribute) || has_default_function(attribute))
}

/// Whether serde does not read the field's type itself: `with`, `deserialize_with`, `skip`, `skip_deserializing`.
fn reads_otherwise(attribute: &Attribute) -> bool {
    let words = serde_words(attribute);
    words.contains("with") || words.contains("skip")
}

/// Whether the author names a function for the value of a missing field: `default = "function"`.
fn has_default_function(attribute: &Attribute) -> bool {
    serde_words(attribute).contains("default =")
}

fn serde_words(attribute: &Attribute) -> String {
    match attribute.meta.require_list() {
        Ok(list) if list.path.is_ident("serde") => list.tokens.to_string(),
        _ => String::new(),
    }
}

/// Attributes with the paths into the SDK, for the derives of serde and schemars on generated types.
pub(crate) fn crate_paths() -> TokenStream {
    quote! {
        #[serde(crate = "::polder_sdk::__private::serde")]
        #[schemars(crate = "::polder_sdk::__private::schemars")]
    }
}

/// The derives that give a type a JSON form for reading and writing, and a schema.
pub(crate) fn derives(input: &DeriveInput) -> TokenStream {
    let paths = crate_paths();
    // Variant names look like all other names in Polder's JSON, unless the author chose another rule.
    let words = (matches!(input.data, Data::Enum(_)) && !input.attrs.iter().any(renames_all))
        .then(|| quote!(#[serde(rename_all = "kebab-case", rename_all_fields = "snake_case")]));
    quote! {
        #[derive(
            ::polder_sdk::__private::serde::Serialize,
            ::polder_sdk::__private::serde::Deserialize,
            ::polder_sdk::__private::schemars::JsonSchema,
        )]
        #paths
        #words
    }
}

fn renames_all(attribute: &Attribute) -> bool {
    let mut found = false;
    if attribute.path().is_ident("serde") {
        // serde reports a malformed attribute.
        let _ = attribute.parse_nested_meta(|meta| {
            found |= meta.path.is_ident("rename_all") || meta.path.is_ident("untagged");
            if meta.input.peek(syn::Token![=]) {
                meta.value()?.parse::<syn::Expr>()?;
            } else if meta.input.peek(syn::token::Paren) {
                let content;
                syn::parenthesized!(content in meta.input);
                content.parse::<TokenStream>()?;
            }
            Ok(())
        });
    }
    found
}
