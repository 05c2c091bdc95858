//! `#[data]`: a plain struct or enum that crosses the border as JSON.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Field, Type};

use crate::variants::crate_paths;

pub(crate) fn expand(attribute: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    if let Some(token) = attribute.into_iter().next() {
        return Err(syn::Error::new(token.span(), "`#[data]` takes nothing in brackets"));
    }
    let input: DeriveInput = syn::parse2(item)?;
    let derives = derives(&input);
    let known = known_fields(&input);
    Ok(quote!(#derives #input #known))
}

/// Stops the build at the type of a field that has no JSON form, with a message in the author's words. serde's own
/// messages follow.
pub(crate) fn known_fields(input: &DeriveInput) -> TokenStream {
    if !input.generics.params.is_empty() {
        return TokenStream::new();
    }
    let fields: Vec<&Field> = match &input.data {
        Data::Struct(data) => data.fields.iter().collect(),
        Data::Enum(data) => data.variants.iter().flat_map(|variant| &variant.fields).collect(),
        Data::Union(_) => Vec::new(),
    };
    known(&fields)
}

pub(crate) fn known(fields: &[&Field]) -> TokenStream {
    let types =
        fields.iter().filter(|field| !field.attrs.iter().any(reads_otherwise)).map(|field| known_type(&field.ty));
    quote!(#(#types)*)
}

pub(crate) fn known_type(ty: &Type) -> TokenStream {
    quote_spanned!(ty.span()=> const _: () = ::polder_sdk::__private::assert_data::<#ty>();)
}

/// Whether serde does not read the field's type itself: `with`, `deserialize_with`, `skip`, `skip_deserializing`.
fn reads_otherwise(attribute: &Attribute) -> bool {
    let words = attribute.meta.require_list().map(|list| list.tokens.to_string()).unwrap_or_default();
    attribute.path().is_ident("serde") && (words.contains("with") || words.contains("skip"))
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
