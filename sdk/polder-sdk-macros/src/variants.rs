//! The common part of the derives for enums of commands, events and rejections: each variant is one named item.

use std::collections::BTreeMap;

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::{Attribute, Data, DeriveInput, Field, Fields, Ident, LitStr, Type, Variant};

use crate::data;

/// The payload of a variant.
pub(crate) enum Payload<'a> {
    /// Named fields, or none.
    Fields(Vec<&'a Field>),
    /// One value that has its own fields: `Submit(Submission)`.
    Whole(&'a Type),
}

/// The variants of an enum, checked for the derive `derive`.
pub(crate) fn variants<'a>(input: &'a DeriveInput, derive: &str) -> syn::Result<Vec<&'a Variant>> {
    let Data::Enum(data) = &input.data else {
        return Err(syn::Error::new(
            input.ident.span(),
            format!("`{derive}` is derived for an enum: one variant for each {}", derive.to_lowercase()),
        ));
    };
    if let Some(parameter) = input.generics.params.first() {
        return Err(syn::Error::new_spanned(parameter, format!("`{derive}` cannot be derived for a generic enum")));
    }
    if data.variants.is_empty() {
        return Err(syn::Error::new(
            input.ident.span(),
            "this enum has no variants: nothing could ever be built of it",
        ));
    }
    Ok(data.variants.iter().collect())
}

pub(crate) fn payload(variant: &Variant) -> syn::Result<Payload<'_>> {
    match &variant.fields {
        Fields::Unit => Ok(Payload::Fields(Vec::new())),
        Fields::Named(fields) => Ok(Payload::Fields(fields.named.iter().collect())),
        Fields::Unnamed(fields) if fields.unnamed.len() == 1 => Ok(Payload::Whole(&fields.unnamed[0].ty)),
        Fields::Unnamed(fields) => Err(syn::Error::new_spanned(
            fields,
            "give these fields names, as they have in the JSON: `{ sku: Sku, quantity: Quantity }`",
        )),
    }
}

/// Refuses a second variant of the same name, at the word that gives it that name.
pub(crate) struct Distinct(BTreeMap<String, Ident>, &'static str);

impl Distinct {
    pub(crate) fn new(what: &'static str) -> Self {
        Self(BTreeMap::new(), what)
    }

    pub(crate) fn insert(&mut self, name: &str, variant: &Ident, span: Span) -> syn::Result<()> {
        match self.0.insert(name.to_owned(), variant.clone()) {
            None => Ok(()),
            Some(first) => Err(syn::Error::new(
                span,
                format!("`{first}` and `{variant}` are both the {} {name:?}: give one of them another name", self.1),
            )),
        }
    }
}

/// The name of a variant's hidden struct. It must not shadow a type of the author.
pub(crate) fn hidden(variant: &Ident) -> Ident {
    format_ident!("__{}", variant)
}

/// Attributes with the paths into the SDK, for the derives of serde and schemars on generated types.
pub(crate) fn crate_paths() -> TokenStream {
    quote! {
        #[serde(crate = "::polder_sdk::__private::serde")]
        #[schemars(crate = "::polder_sdk::__private::schemars")]
    }
}

/// The hidden struct that reads the payload of a variant with these fields.
pub(crate) fn reader(variant: &Ident, fields: &[&Field], strict: bool) -> TokenStream {
    let (hidden, title, paths) = (hidden(variant), LitStr::new(&variant.to_string(), variant.span()), crate_paths());
    let strict = strict.then(|| quote!(#[serde(deny_unknown_fields)]));
    let known = data::known(fields);
    let fields = fields.iter().map(|field| {
        let kept = field.attrs.iter().filter(|attribute| is_kept(attribute));
        let (ident, ty) = (&field.ident, &field.ty);
        quote!(#(#kept)* #ident: #ty)
    });
    quote! {
        #known

        #[derive(::polder_sdk::__private::serde::Deserialize, ::polder_sdk::__private::schemars::JsonSchema)]
        #paths
        #[schemars(rename = #title)]
        #strict
        #[allow(non_camel_case_types)]
        struct #hidden { #(#fields),* }
    }
}

fn is_kept(attribute: &Attribute) -> bool {
    attribute.path().is_ident("doc") || attribute.path().is_ident("serde")
}

/// An expression of type `Self`, built from `value` of the variant's hidden struct.
pub(crate) fn rebuild(variant: &Ident, fields: &[&Field]) -> TokenStream {
    let hidden = hidden(variant);
    let names: Vec<_> = fields.iter().map(|field| &field.ident).collect();
    quote! {{
        let #hidden { #(#names),* } = value;
        Self::#variant { #(#names),* }
    }}
}
