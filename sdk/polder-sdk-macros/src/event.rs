//! `#[derive(Event)]`: each variant is a fact with a name and a version, written as the JSON object of its fields.

use std::collections::BTreeMap;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, ExprPath, Field, LitInt, LitStr, Path, Token, Variant, parenthesized};

use crate::variants::{Distinct, Payload, hidden, payload, reader, rebuild, variants};
use crate::{data, names};

pub(crate) fn derive(input: &DeriveInput) -> syn::Result<TokenStream> {
    let ident = &input.ident;
    let mut distinct = Distinct::new("event");
    let (mut hiddens, mut rows, mut reads, mut writes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut words = Vec::new();
    let (mut index_arms, mut name_arms, mut version_arms) = (Vec::new(), Vec::new(), Vec::new());
    for variant in variants(input, "Event")? {
        let Attributes { name, version, upcasters } = Attributes::of(variant)?;
        distinct.insert(&name.value(), &variant.ident, name.span())?;
        let (doc, variant_ident) = (names::doc(&variant.attrs), &variant.ident);
        let rust_name = variant_ident.to_string();
        let (target, build, write) = match payload(variant)? {
            Payload::Fields(fields) => {
                hiddens.push(reader(variant_ident, &fields, false));
                hiddens.push(writer(variant_ident, &fields)?);
                let (hidden, out) = (hidden(variant_ident), out_name(variant_ident));
                let names: Vec<_> = fields.iter().map(|field| &field.ident).collect();
                let write = quote! {
                    Self::#variant_ident { #(#names),* } => {
                        ::polder_sdk::__private::write_event(#name, &#out { #(#names,)* lifetime: ::core::marker::PhantomData })
                    }
                };
                (quote!(#hidden), rebuild(variant_ident, &fields), write)
            }
            Payload::Whole(ty) => {
                hiddens.push(data::known_type(ty));
                (
                    quote!(#ty),
                    quote!(Self::#variant_ident(value)),
                    quote!(Self::#variant_ident(value) => ::polder_sdk::__private::write_event(#name, value),),
                )
            }
        };
        rows.push(quote! {
            ::polder_sdk::__private::EventVariant {
                variant: #rust_name, name: #name, version: #version, doc: #doc,
                schema: ::polder_sdk::__private::schema_read::<#target>,
            }
        });
        let old = upcasters.iter().map(|(version, function)| {
            quote!((#name, #version) => ::polder_sdk::__private::upcast(name, version, payload, #function),)
        });
        reads.push(quote! {
            (#name, #version) => {
                let value: #target = ::polder_sdk::__private::read_event(name, version, payload)?;
                ::core::result::Result::Ok(#build)
            }
            #(#old)*
        });
        writes.push(write);
        words.push(rust_name);
        let index = index_arms.len();
        index_arms.push(quote!(Self::#variant_ident { .. } => #index));
        name_arms.push(quote!(Self::#variant_ident { .. } => #name));
        version_arms.push(quote!(Self::#variant_ident { .. } => #version));
    }
    Ok(quote! {
        #[automatically_derived]
        const _: () = {
            #(#hiddens)*

            impl ::polder_sdk::Event for #ident {
                const VARIANTS: &'static [::polder_sdk::__private::EventVariant] = &[#(#rows),*];

                const WORDS: &'static [&'static str] = &[#(#words),*];

                fn index(&self) -> usize {
                    match self { #(#index_arms),* }
                }

                fn name(&self) -> &'static str {
                    match self { #(#name_arms),* }
                }

                fn version(&self) -> u32 {
                    match self { #(#version_arms),* }
                }

                fn read(name: &str, version: u32, payload: &[u8]) -> ::core::result::Result<Self, ::polder_sdk::Fault> {
                    match (name, version) {
                        #(#reads)*
                        _ => ::core::result::Result::Err(::polder_sdk::__private::unknown_event::<Self>(name, version)),
                    }
                }

                fn write(&self) -> ::core::result::Result<::std::vec::Vec<u8>, ::polder_sdk::Fault> {
                    match self { #(#writes)* }
                }
            }
        };
    })
}

fn out_name(variant: &syn::Ident) -> syn::Ident {
    quote::format_ident!("__{}Out", variant)
}

/// The struct that writes the fields of a variant in place, without taking or copying them.
fn writer(variant: &syn::Ident, fields: &[&Field]) -> syn::Result<TokenStream> {
    let out = out_name(variant);
    let (mut members, mut calls) = (Vec::new(), Vec::new());
    for field in fields {
        let (ident, ty) = (&field.ident, &field.ty);
        let FieldAttributes { key, skip } = FieldAttributes::of(field)?;
        let call = quote!(::polder_sdk::__private::serde::ser::SerializeStruct::serialize_field(&mut fields, #key, self.#ident)?;);
        calls.push(match skip {
            Some(skip) => quote!(if !#skip(self.#ident) { #call }),
            None => call,
        });
        members.push(quote!(#ident: &'a #ty));
    }
    let count = fields.len();
    let title = variant.to_string();
    let mutable = (count > 0).then(|| quote!(mut));
    Ok(quote! {
        #[allow(non_camel_case_types)]
        struct #out<'a> { #(#members,)* lifetime: ::core::marker::PhantomData<&'a ()> }

        impl ::polder_sdk::__private::serde::Serialize for #out<'_> {
            fn serialize<S: ::polder_sdk::__private::serde::Serializer>(
                &self, serializer: S,
            ) -> ::core::result::Result<S::Ok, S::Error> {
                let #mutable fields =
                    ::polder_sdk::__private::serde::Serializer::serialize_struct(serializer, #title, #count)?;
                #(#calls)*
                ::polder_sdk::__private::serde::ser::SerializeStruct::end(fields)
            }
        }
    })
}

struct FieldAttributes {
    key: String,
    skip: Option<ExprPath>,
}

impl FieldAttributes {
    /// Reads the serde attributes that mean the same for writing as for reading.
    fn of(field: &Field) -> syn::Result<Self> {
        let key = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
        let mut found = Self { key: key.strip_prefix("r#").unwrap_or(&key).to_owned(), skip: None };
        for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("serde")) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("default") {
                    if meta.input.peek(Token![=]) {
                        meta.value()?.parse::<LitStr>()?;
                    }
                } else if meta.path.is_ident("rename") {
                    found.key = meta.value()?.parse::<LitStr>()?.value();
                } else if meta.path.is_ident("skip_serializing_if") {
                    found.skip = Some(meta.value()?.parse::<LitStr>()?.parse()?);
                } else {
                    return Err(meta.error(
                        "of serde's attributes a field of an event takes `default`, `rename` and `skip_serializing_if`; \
                         for others put the fields into a struct with `#[data]` and the struct into the event",
                    ));
                }
                Ok(())
            })?;
        }
        Ok(found)
    }
}

struct Attributes {
    name: LitStr,
    version: u32,
    /// The upcasters, by the version that they read.
    upcasters: BTreeMap<u32, Path>,
}

impl Attributes {
    fn of(variant: &Variant) -> syn::Result<Self> {
        let mut name = None;
        let mut version = (1, variant.ident.span());
        let mut upcasters = BTreeMap::new();
        for attribute in variant.attrs.iter().filter(|attribute| attribute.path().is_ident("event")) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("name") {
                    let literal: LitStr = meta.value()?.parse()?;
                    names::written(&literal)?;
                    name = Some(literal);
                } else if meta.path.is_ident("version") {
                    let literal: LitInt = meta.value()?.parse()?;
                    version = (positive(&literal)?, literal.span());
                } else if meta.path.is_ident("upcast") {
                    let content;
                    parenthesized!(content in meta.input);
                    while !content.is_empty() {
                        let literal: LitInt = content.parse()?;
                        content.parse::<Token![=]>()?;
                        if upcasters.insert(positive(&literal)?, (content.parse()?, literal.span())).is_some() {
                            return Err(syn::Error::new(literal.span(), "this version has an upcaster already"));
                        }
                        if !content.is_empty() {
                            content.parse::<Token![,]>()?;
                        }
                    }
                } else {
                    return Err(meta.error(
                        "an event may say `name = \"...\"`, `version = 2` and `upcast(1 = function)` here, nothing else",
                    ));
                }
                Ok(())
            })?;
        }
        let (version, version_span) = version;
        if let Some((old, (_, span))) = upcasters.range(version..).next() {
            let message = format!(
                "version {old} is not older than version {version}, which this event has: nothing to bring up to date"
            );
            return Err(syn::Error::new(*span, message));
        }
        if let Some(missing) = (1..version).find(|old| !upcasters.contains_key(old)) {
            let message = format!(
                "`{}` is at version {version}, and events of version {missing} may be recorded: say how to read them with `upcast({missing} = function)`",
                variant.ident
            );
            return Err(syn::Error::new(version_span, message));
        }
        let name = match name {
            Some(name) => name,
            None => LitStr::new(&names::derived(&variant.ident)?, variant.ident.span()),
        };
        Ok(Self {
            name,
            version,
            upcasters: upcasters.into_iter().map(|(old, (function, _))| (old, function)).collect(),
        })
    }
}

fn positive(literal: &LitInt) -> syn::Result<u32> {
    match literal.base10_parse() {
        Ok(0) | Err(_) => Err(syn::Error::new(literal.span(), "versions are whole numbers counted from 1")),
        Ok(version) => Ok(version),
    }
}
