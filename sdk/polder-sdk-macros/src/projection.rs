//! `#[projection("order-summary")]`: names a projection and makes its documents storable.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, LitStr};

use crate::{data, names};

pub(crate) fn expand(attribute: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let name: LitStr = syn::parse2(attribute).map_err(|error| {
        syn::Error::new(error.span(), "a projection needs a name: `#[projection(\"order-summary\")]`")
    })?;
    names::written(&name)?;
    let input: DeriveInput = syn::parse2(item)?;
    if let Some(parameter) = input.generics.params.first() {
        return Err(syn::Error::new_spanned(parameter, "a projection cannot be generic"));
    }
    let (ident, derives, doc) = (&input.ident, data::derives(&input), names::doc(&input.attrs));
    Ok(quote! {
        #derives
        #input

        #[automatically_derived]
        impl ::polder_sdk::__private::ProjectionInfo for #ident {
            const NAME: &'static str = #name;
            const DOC: &'static str = #doc;
        }
    })
}
