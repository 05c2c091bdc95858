//! `#[derive(Command)]`: each variant is read strictly from the JSON object of its fields.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Ident, LitStr, Variant};

use crate::variants::{Distinct, Payload, payload, reader, rebuild, shape, variants};
use crate::{data, names};

pub(crate) fn derive(input: &DeriveInput) -> syn::Result<TokenStream> {
    let mut distinct = Distinct::new("command");
    let mut parts = Vec::new();
    for variant in variants(input, "Command")? {
        let name = name_of(variant)?;
        names::check_segment(&name.value(), name.span())?;
        distinct.insert(&name.value(), &variant.ident, name.span())?;
        parts.push(Parts::of(variant, name)?);
    }
    Ok(implementation(&input.ident, &parts))
}

/// The generated code for one variant.
struct Parts<'a> {
    ident: &'a Ident,
    name: LitStr,
    /// The struct that reads the fields, and the functions for their forms.
    hidden: TokenStream,
    /// The row of `VARIANTS`.
    row: TokenStream,
    /// The arm of `read`.
    read: TokenStream,
}

impl<'a> Parts<'a> {
    fn of(variant: &'a Variant, name: LitStr) -> syn::Result<Self> {
        let ident = &variant.ident;
        let (hidden, shape, build) = match payload(variant)? {
            Payload::Fields(fields) => (reader(ident, &fields, true), shape(ident, &fields), rebuild(ident, &fields)),
            Payload::Whole(ty) => {
                let form = data::form_name(ident, 0);
                (data::form(&form, ty), data::whole(&form, ty), quote!(Self::#ident(value.0)))
            }
        };
        let (doc, rust_name) = (names::doc(&variant.attrs), ident.to_string());
        let row = quote! {
            ::polder_sdk::__private::CommandVariant {
                variant: #rust_name, name: #name, doc: #doc,
                schema: || ::polder_sdk::__private::schema_of_shape(#shape),
            }
        };
        let read = quote! {
            #name => {
                let value = ::polder_sdk::__private::of(#shape, ::polder_sdk::__private::read_command(payload)?);
                ::core::result::Result::Ok(#build)
            }
        };
        Ok(Self { ident, name, hidden, row, read })
    }
}

fn implementation(ident: &Ident, parts: &[Parts<'_>]) -> TokenStream {
    let (hidden, rows) = (parts.iter().map(|part| &part.hidden), parts.iter().map(|part| &part.row));
    let reads = parts.iter().map(|part| &part.read);
    let variants: Vec<_> = parts.iter().map(|part| part.ident).collect();
    let words = parts.iter().map(|part| part.ident.to_string());
    let indexes = 0..parts.len();
    let names = parts.iter().map(|part| &part.name);
    quote! {
        #[automatically_derived]
        const _: () = {
            #(#hidden)*

            impl ::polder_sdk::Command for #ident {
                const VARIANTS: &'static [::polder_sdk::__private::CommandVariant] = &[#(#rows),*];

                const WORDS: &'static [&'static str] = &[#(#words),*];

                fn index(&self) -> usize {
                    match self { #(Self::#variants { .. } => #indexes),* }
                }

                fn name(&self) -> &'static str {
                    match self { #(Self::#variants { .. } => #names),* }
                }

                fn read(name: &str, payload: &[u8]) -> ::core::result::Result<Self, ::polder_sdk::Rejected> {
                    match name {
                        #(#reads)*
                        _ => ::core::result::Result::Err(::polder_sdk::__private::unknown_command::<Self>(name)),
                    }
                }
            }
        };
    }
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
