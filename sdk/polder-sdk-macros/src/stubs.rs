//! Stubs that replace generated code after a mistake, so that the mistake is reported once and not again by all code
//! that needs the generated code. A stub never ends up in a program: the mistake stops the build.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput};

use crate::data;

/// Puts `stub` beside the error.
pub(crate) fn or_stub(expanded: syn::Result<TokenStream>, stub: impl FnOnce() -> TokenStream) -> TokenStream {
    expanded.unwrap_or_else(|error| {
        let (error, stub) = (error.to_compile_error(), stub());
        quote!(#error #stub)
    })
}

/// The same for an attribute, which must return the item that it is attached to.
pub(crate) fn or_item(
    expanded: syn::Result<TokenStream>,
    item: TokenStream,
    stub: impl FnOnce(&DeriveInput) -> TokenStream,
) -> TokenStream {
    or_stub(expanded, || match syn::parse2::<DeriveInput>(item.clone()) {
        Ok(input) => {
            let (derives, stub) = (data::derives(&input), stub(&input));
            quote!(#derives #input #stub)
        }
        Err(_) => item,
    })
}

pub(crate) fn command(input: &DeriveInput) -> TokenStream {
    let (ident, words) = (&input.ident, words(input));
    quote! {
        impl ::polder_sdk::Command for #ident {
            const VARIANTS: &'static [::polder_sdk::__private::CommandVariant] = &[];
            const WORDS: &'static [&'static str] = &[#(#words),*];
            fn index(&self) -> usize { 0 }
            fn name(&self) -> &'static str { "" }
            fn read(_: &str, _: &[u8]) -> ::core::result::Result<Self, ::polder_sdk::Rejected> { ::core::unreachable!() }
        }
    }
}

pub(crate) fn event(input: &DeriveInput) -> TokenStream {
    let (ident, words) = (&input.ident, words(input));
    quote! {
        impl ::polder_sdk::Event for #ident {
            const VARIANTS: &'static [::polder_sdk::__private::EventVariant] = &[];
            const WORDS: &'static [&'static str] = &[#(#words),*];
            fn index(&self) -> usize { 0 }
            fn name(&self) -> &'static str { "" }
            fn version(&self) -> u32 { 1 }
            fn read(_: &str, _: u32, _: &[u8]) -> ::core::result::Result<Self, ::polder_sdk::Fault> {
                ::core::unreachable!()
            }
            fn write(&self) -> ::core::result::Result<::std::vec::Vec<u8>, ::polder_sdk::Fault> {
                ::core::unreachable!()
            }
        }
    }
}

pub(crate) fn rejection(input: &DeriveInput) -> TokenStream {
    let ident = &input.ident;
    quote! {
        impl ::polder_sdk::Rejection for #ident {
            fn code(&self) -> &'static str { "" }
            fn message(&self) -> ::std::string::String { ::std::string::String::new() }
        }
    }
}

/// A chart for any aggregate.
pub(crate) fn chart(input: &DeriveInput) -> TokenStream {
    let ident = &input.ident;
    quote! {
        impl<A: ::polder_sdk::Aggregate> ::polder_sdk::StateChart<A> for #ident {
            const STATES: &'static [&'static str] = &[];
            const MOVES: &'static [::polder_sdk::__private::Move] = &[];
            fn name(&self) -> &'static str { "" }
            fn allows(&self, _: &A::Command) -> bool { true }
            fn after(&self, _: &A::Event) -> ::core::option::Option<Self> { ::core::option::Option::None }
        }
    }
}

pub(crate) fn aggregate(input: &DeriveInput) -> TokenStream {
    let ident = &input.ident;
    quote! {
        impl ::polder_sdk::__private::AggregateInfo for #ident {
            const NAME: &'static str = "";
            const DOC: &'static str = "";
            const CHART_FIELD: &'static str = "";
            type Chart = ::polder_sdk::__private::NoChart where Self: ::polder_sdk::Aggregate;
            fn chart(&self) -> &Self::Chart where Self: ::polder_sdk::Aggregate { &::polder_sdk::__private::NoChart }
        }

        impl ::polder_sdk::Source for <#ident as ::polder_sdk::Aggregate>::Event {
            const AGGREGATES: &'static [&'static str] = &[];
            fn read(
                _: &::polder_sdk::EventRef<'_>,
            ) -> ::core::result::Result<::core::option::Option<Self>, ::polder_sdk::Fault> {
                ::core::unreachable!()
            }
        }
    }
}

pub(crate) fn projection(input: &DeriveInput) -> TokenStream {
    let ident = &input.ident;
    quote! {
        impl ::polder_sdk::__private::ProjectionInfo for #ident {
            const NAME: &'static str = "";
            const DOC: &'static str = "";
            const IS_PER_AGGREGATE: bool = false;
        }
    }
}

fn words(input: &DeriveInput) -> Vec<String> {
    match &input.data {
        Data::Enum(data) => data.variants.iter().map(|variant| variant.ident.to_string()).collect(),
        _ => Vec::new(),
    }
}
