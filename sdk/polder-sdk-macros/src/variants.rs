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

/// The indexes and types of the fields that are read by the forms of their types.
fn formed<'a>(fields: &[&'a Field]) -> (Vec<usize>, Vec<&'a Type>) {
    let formed = fields.iter().enumerate().filter(|(_, field)| data::has_form(field));
    formed.map(|(index, field)| (index, &field.ty)).unzip()
}

/// The parameter of the hidden struct for the form of a field.
fn parameter(index: usize) -> Ident {
    format_ident!("__F{index}")
}

/// The hidden struct that reads the payload of a variant with these fields, and the functions for their forms.
pub(crate) fn reader(variant: &Ident, fields: &[&Field], strict: bool) -> TokenStream {
    let (hidden, title, paths) =
        (hidden(variant), LitStr::new(&variant.to_string(), variant.span()), data::crate_paths());
    let strict = strict.then(|| quote!(#[serde(deny_unknown_fields)]));
    let (indexes, types) = formed(fields);
    let forms = indexes.iter().zip(&types).map(|(index, ty)| data::form(&data::form_name(variant, *index), ty));
    let parameters: Vec<Ident> = indexes.iter().map(|index| parameter(*index)).collect();
    let bounds = quote!(#(#parameters: ::polder_sdk::__private::Form<#types>),*);
    let bound_attributes = (!parameters.is_empty()).then(|| {
        let bounds = bounds.to_string();
        quote!(#[serde(bound(deserialize = #bounds))] #[schemars(bound = #bounds)])
    });
    let generics = (!parameters.is_empty()).then(|| quote!(<#(#parameters),*>));
    let members = fields.iter().enumerate().map(|(index, field)| {
        let kept = field.attrs.iter().filter(|attribute| is_kept(attribute));
        let (ident, ty, form) = (&field.ident, &field.ty, parameter(index));
        match data::has_form(field) {
            true => quote!(#(#kept)* #ident: ::polder_sdk::__private::Field<#ty, #form>),
            false => quote!(#(#kept)* #ident: #ty),
        }
    });
    quote! {
        #(#forms)*

        #[derive(::polder_sdk::__private::serde::Deserialize, ::polder_sdk::__private::schemars::JsonSchema)]
        #paths
        #[schemars(rename = #title)]
        #strict
        #bound_attributes
        #[allow(non_camel_case_types)]
        struct #hidden #generics { #(#members),* }

        impl<#bounds> #hidden #generics {
            fn shape(_: (#(#parameters,)*)) -> ::core::marker::PhantomData<Self> { ::core::marker::PhantomData }
        }
    }
}

fn is_kept(attribute: &Attribute) -> bool {
    attribute.path().is_ident("doc") || attribute.path().is_ident("serde")
}

/// An expression for the type of a variant's hidden struct, as a `PhantomData`.
pub(crate) fn shape(variant: &Ident, fields: &[&Field]) -> TokenStream {
    let (hidden, (indexes, _)) = (hidden(variant), formed(fields));
    let forms = indexes.into_iter().map(|index| data::form_name(variant, index));
    quote!(#hidden::shape((#(#forms(),)*)))
}

/// An expression of type `Self`, built from `value` of the variant's hidden struct.
pub(crate) fn rebuild(variant: &Ident, fields: &[&Field]) -> TokenStream {
    let hidden = hidden(variant);
    let names: Vec<_> = fields.iter().map(|field| &field.ident).collect();
    let values = fields.iter().map(|field| {
        let name = &field.ident;
        if data::has_form(field) { quote!(#name: #name.0) } else { quote!(#name) }
    });
    quote! {{
        let #hidden { #(#names),* } = value;
        Self::#variant { #(#values),* }
    }}
}
