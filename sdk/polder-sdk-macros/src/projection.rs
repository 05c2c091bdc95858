//! `#[projection("order-summary")]`: names a projection and makes its documents storable.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::{DeriveInput, Ident, LitStr, Token};

use crate::{data, names};

struct Arguments {
    name: LitStr,
    /// Whether each event touches the document of its aggregate and no other.
    is_per_aggregate: bool,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if !input.peek(LitStr) {
            return Err(syn::Error::new(input.span(), "a projection needs a name: `#[projection(\"order-summary\")]`"));
        }
        let name: LitStr = input.parse()?;
        names::written_segment(&name)?;
        let mut is_per_aggregate = false;
        while input.parse::<Option<Token![,]>>()?.is_some() && !input.is_empty() {
            let word: Ident = input.parse()?;
            if word != "per_aggregate" {
                return Err(syn::Error::new(
                    word.span(),
                    "after its name a projection may say `per_aggregate`, nothing else",
                ));
            }
            is_per_aggregate = true;
        }
        if !input.is_empty() {
            return Err(input.error("expected `,` or nothing"));
        }
        Ok(Self { name, is_per_aggregate })
    }
}

pub(crate) fn expand(attribute: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let Arguments { name, is_per_aggregate } = syn::parse2(attribute)?;
    let input: DeriveInput = syn::parse2(item)?;
    if let Some(parameter) = input.generics.params.first() {
        return Err(syn::Error::new_spanned(parameter, "a projection cannot be generic"));
    }
    let (ident, derives, doc) = (&input.ident, data::derives(&input), names::doc(&input.attrs));
    let known = data::known_fields(&input);
    Ok(quote! {
        #derives
        #input
        #known

        #[automatically_derived]
        impl ::polder_sdk::__private::ProjectionInfo for #ident {
            const NAME: &'static str = #name;
            const DOC: &'static str = #doc;
            const IS_PER_AGGREGATE: bool = #is_per_aggregate;
        }
    })
}
