//! `#[derive(Command)]`: each variant is read strictly from the JSON object of its fields.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, LitStr, Variant};

use crate::variants::{Distinct, Payload, hidden, payload, reader, rebuild, variants};
use crate::{data, names};

pub(crate) fn derive(input: &DeriveInput) -> syn::Result<TokenStream> {
    let ident = &input.ident;
    let (mut readers, mut rows, mut reads) = (Vec::new(), Vec::new(), Vec::new());
    let mut words = Vec::new();
    let (mut index_arms, mut name_arms) = (Vec::new(), Vec::new());
    let mut distinct = Distinct::new("command");
    for variant in variants(input, "Command")? {
        let name = name_of(variant)?;
        names::check_segment(&name.value(), name.span())?;
        distinct.insert(&name.value(), &variant.ident, name.span())?;
        let (doc, variant_ident) = (names::doc(&variant.attrs), &variant.ident);
        let rust_name = variant_ident.to_string();
        let (target, build) = match payload(variant)? {
            Payload::Fields(fields) => {
                readers.push(reader(variant_ident, &fields, true));
                let hidden = hidden(variant_ident);
                (quote!(#hidden), rebuild(variant_ident, &fields))
            }
            Payload::Whole(ty) => {
                readers.push(data::known_type(ty));
                (quote!(#ty), quote!(Self::#variant_ident(value)))
            }
        };
        rows.push(quote! {
            ::polder_sdk::__private::CommandVariant {
                variant: #rust_name, name: #name, doc: #doc, schema: ::polder_sdk::__private::schema_read::<#target>,
            }
        });
        reads.push(quote! {
            #name => {
                let value: #target = ::polder_sdk::__private::read_command(payload)?;
                ::core::result::Result::Ok(#build)
            }
        });
        words.push(rust_name);
        let index = index_arms.len();
        index_arms.push(quote!(Self::#variant_ident { .. } => #index));
        name_arms.push(quote!(Self::#variant_ident { .. } => #name));
    }
    Ok(quote! {
        #[automatically_derived]
        const _: () = {
            #(#readers)*

            impl ::polder_sdk::Command for #ident {
                const VARIANTS: &'static [::polder_sdk::__private::CommandVariant] = &[#(#rows),*];

                const WORDS: &'static [&'static str] = &[#(#words),*];

                fn index(&self) -> usize {
                    match self { #(#index_arms),* }
                }

                fn name(&self) -> &'static str {
                    match self { #(#name_arms),* }
                }

                fn read(name: &str, payload: &[u8]) -> ::core::result::Result<Self, ::polder_sdk::Rejected> {
                    match name {
                        #(#reads)*
                        _ => ::core::result::Result::Err(::polder_sdk::__private::unknown_command::<Self>(name)),
                    }
                }
            }
        };
    })
}

fn name_of(variant: &Variant) -> syn::Result<LitStr> {
    let mut name = None;
    for attribute in variant.attrs.iter().filter(|attribute| attribute.path().is_ident("command")) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("name") {
                return Err(meta.error("a command may say `name = \"...\"` here, nothing else"));
            }
            let literal: LitStr = meta.value()?.parse()?;
            names::written(&literal)?;
            name = Some(literal);
            Ok(())
        })?;
    }
    match name {
        Some(name) => Ok(name),
        None => Ok(LitStr::new(&names::derived(&variant.ident)?, variant.ident.span())),
    }
}
