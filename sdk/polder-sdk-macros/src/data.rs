//! `#[data]`: a plain struct or enum that crosses the border as JSON.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Data, DeriveInput};

use crate::variants::crate_paths;

pub(crate) fn expand(attribute: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    if let Some(token) = attribute.into_iter().next() {
        return Err(syn::Error::new(token.span(), "`#[data]` takes nothing in brackets"));
    }
    let input: DeriveInput = syn::parse2(item)?;
    let derives = derives(&input);
    Ok(quote!(#derives #input))
}

/// The derives that make a type JSON both ways, with a schema.
pub(crate) fn derives(input: &DeriveInput) -> TokenStream {
    let paths = crate_paths();
    // Words in JSON look like all other words of Polder, unless the author says otherwise.
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
        // A malformed attribute is serde's to report.
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
