//! `#[derive(Rejection)]`: each variant is a reason with a stable code and a message.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Fields, LitStr, Token, Variant};

use crate::names;
use crate::variants::{Distinct, variants};

pub(crate) fn derive(input: &DeriveInput) -> syn::Result<TokenStream> {
    let ident = &input.ident;
    let mut distinct = Distinct::new("rejection");
    let (mut codes, mut messages) = (Vec::new(), Vec::new());
    for variant in variants(input, "Rejection")? {
        let (code, message) = attributes_of(variant)?;
        distinct.insert(&code.value(), &variant.ident, code.span())?;
        let variant_ident = &variant.ident;
        let fields: Vec<_> = match &variant.fields {
            Fields::Unnamed(fields) => {
                return Err(syn::Error::new_spanned(
                    fields,
                    "give these fields names, so that the message can use them: `{ lines_max: u32 }` and \"at most {lines_max}\"",
                ));
            }
            fields => fields.iter().map(|field| &field.ident).collect(),
        };
        codes.push(quote!(Self::#variant_ident { .. } => #code));
        messages.push(quote!(Self::#variant_ident { #(#fields),* } => ::std::format!(#message)));
    }
    Ok(quote! {
        #[automatically_derived]
        impl ::polder_sdk::Rejection for #ident {
            fn code(&self) -> &'static str {
                match self { #(#codes),* }
            }

            #[allow(unused_variables)]
            fn message(&self) -> ::std::string::String {
                match self { #(#messages),* }
            }
        }
    })
}

fn attributes_of(variant: &Variant) -> syn::Result<(LitStr, LitStr)> {
    let Some(attribute) = variant.attrs.iter().find(|attribute| attribute.path().is_ident("rejection")) else {
        return Err(syn::Error::new(
            variant.ident.span(),
            format!(
                "`{}` needs a message for people: `#[rejection(\"...\")]`; it may name fields as in `{{lines_max}}`",
                variant.ident
            ),
        ));
    };
    attribute.parse_args_with(|input: syn::parse::ParseStream<'_>| {
        let message: LitStr = input.parse()?;
        let mut code = None;
        while input.parse::<Option<Token![,]>>()?.is_some() && !input.is_empty() {
            let key: syn::Ident = input.parse()?;
            if key != "code" {
                return Err(syn::Error::new(
                    key.span(),
                    "after its message a rejection may say `code = \"...\"`, nothing else",
                ));
            }
            input.parse::<Token![=]>()?;
            let literal: LitStr = input.parse()?;
            names::written(&literal)?;
            code = Some(literal);
        }
        let code = match code {
            Some(code) => code,
            None => LitStr::new(&names::derived(&variant.ident)?, variant.ident.span()),
        };
        Ok((code, message))
    })
}
