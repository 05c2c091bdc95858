//! `#[derive(Event)]`: each variant is a fact with a name and a version, written as the JSON object of its fields.

use std::collections::BTreeMap;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, ExprPath, Field, Ident, LitInt, LitStr, Path, Token, Type, Variant, parenthesized};

use crate::variants::{Distinct, Payload, payload, reader, rebuild, shape, variants};
use crate::{data, names};

pub(crate) fn derive(input: &DeriveInput) -> syn::Result<TokenStream> {
    let mut distinct = Distinct::new("event");
    let mut parts = Vec::new();
    for variant in variants(input, "Event")? {
        let attributes = Attributes::of(variant)?;
        distinct.insert(&attributes.name.value(), &variant.ident, attributes.name.span())?;
        parts.push(Parts::of(variant, &attributes)?);
    }
    Ok(implementation(&input.ident, &parts))
}

/// The generated code for one variant.
struct Parts<'a> {
    ident: &'a Ident,
    name: LitStr,
    version: u32,
    /// The structs that read and write the fields, and the functions for their forms.
    hidden: TokenStream,
    /// The row of `VARIANTS`.
    row: TokenStream,
    /// The arms of `read`, one for each version.
    reads: TokenStream,
    /// The arm of `write`.
    write: TokenStream,
}

impl<'a> Parts<'a> {
    fn of(variant: &'a Variant, attributes: &Attributes) -> syn::Result<Self> {
        let (ident, name, version) = (&variant.ident, &attributes.name, attributes.version);
        let Form { hidden, shape, build, write } = match payload(variant)? {
            Payload::Fields(fields) => Form::of_fields(ident, name, &fields)?,
            Payload::Whole(ty) => Form::of_whole(ident, name, ty),
        };
        let (doc, rust_name) = (names::doc(&variant.attrs), ident.to_string());
        let row = quote! {
            ::polder_sdk::__private::EventVariant {
                variant: #rust_name, name: #name, version: #version, doc: #doc,
                schema: || ::polder_sdk::__private::schema_of_shape(#shape),
            }
        };
        let old = attributes.upcasters.iter().map(|(version, function)| {
            quote!((#name, #version) => ::polder_sdk::__private::upcast(name, version, payload, #function),)
        });
        let reads = quote! {
            (#name, #version) => {
                let value = ::polder_sdk::__private::of(
                    #shape, ::polder_sdk::__private::read_event(name, version, payload)?,
                );
                ::core::result::Result::Ok(#build)
            }
            #(#old)*
        };
        Ok(Self { ident, name: name.clone(), version, hidden, row, reads, write })
    }
}

/// How the payload of a variant is read and written.
struct Form {
    hidden: TokenStream,
    /// An expression for the type that is read, as a `PhantomData`.
    shape: TokenStream,
    /// The expression that makes `Self` of a `value` of this type.
    build: TokenStream,
    write: TokenStream,
}

impl Form {
    fn of_fields(variant: &Ident, name: &LitStr, fields: &[&Field]) -> syn::Result<Self> {
        let (reader, writer) = (reader(variant, fields, false), writer(variant, fields)?);
        let (shape, out) = (shape(variant, fields), out_name(variant));
        let names: Vec<_> = fields.iter().map(|field| &field.ident).collect();
        let write = quote! {
            Self::#variant { #(#names),* } => {
                ::polder_sdk::__private::write_event(#name, &#out { #(#names,)* lifetime: ::core::marker::PhantomData })
            }
        };
        Ok(Self { hidden: quote!(#reader #writer), shape, build: rebuild(variant, fields), write })
    }

    fn of_whole(variant: &Ident, name: &LitStr, ty: &Type) -> Self {
        let form = data::form_name(variant, 0);
        Self {
            hidden: data::form(&form, ty),
            shape: data::whole(&form, ty),
            build: quote!(Self::#variant(value.0)),
            write: quote! {
                Self::#variant(value) => {
                    ::polder_sdk::__private::write_event(#name, &::polder_sdk::__private::written(value, #form()))
                }
            },
        }
    }
}

fn implementation(ident: &Ident, parts: &[Parts<'_>]) -> TokenStream {
    let (hidden, rows) = (parts.iter().map(|part| &part.hidden), parts.iter().map(|part| &part.row));
    let (reads, writes) = (parts.iter().map(|part| &part.reads), parts.iter().map(|part| &part.write));
    let variants: Vec<_> = parts.iter().map(|part| part.ident).collect();
    let words = parts.iter().map(|part| part.ident.to_string());
    let indexes = 0..parts.len();
    let names = parts.iter().map(|part| &part.name);
    let versions = parts.iter().map(|part| part.version);
    quote! {
        #[automatically_derived]
        const _: () = {
            #(#hidden)*

            impl ::polder_sdk::Event for #ident {
                const VARIANTS: &'static [::polder_sdk::__private::EventVariant] = &[#(#rows),*];

                const WORDS: &'static [&'static str] = &[#(#words),*];

                fn index(&self) -> usize {
                    match self { #(Self::#variants { .. } => #indexes),* }
                }

                fn name(&self) -> &'static str {
                    match self { #(Self::#variants { .. } => #names),* }
                }

                fn version(&self) -> u32 {
                    match self { #(Self::#variants { .. } => #versions),* }
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
    }
}

fn out_name(variant: &Ident) -> Ident {
    quote::format_ident!("__{}Out", variant)
}

/// The struct that writes the fields of a variant in place, without taking or copying them.
fn writer(variant: &Ident, fields: &[&Field]) -> syn::Result<TokenStream> {
    let out = out_name(variant);
    let (mut members, mut calls) = (Vec::new(), Vec::new());
    for (index, field) in fields.iter().enumerate() {
        let (ident, ty) = (&field.ident, &field.ty);
        let FieldAttributes { key, skip } = FieldAttributes::of(field)?;
        let value = match data::has_form(field) {
            true => {
                let form = data::form_name(variant, index);
                quote!(&::polder_sdk::__private::written(self.#ident, #form()))
            }
            false => quote!(self.#ident),
        };
        let call = quote! {
            ::polder_sdk::__private::serde::ser::SerializeStruct::serialize_field(&mut fields, #key, #value)?;
        };
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
