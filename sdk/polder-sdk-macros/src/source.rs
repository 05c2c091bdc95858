//! `#[derive(Source)]`: the events of several aggregates as one enum, for a projection that reads them all.

use proc_macro2::TokenStream;
use quote::quote;
use syn::DeriveInput;

use crate::variants::{Payload, payload, variants};

pub(crate) fn derive(input: &DeriveInput) -> syn::Result<TokenStream> {
    let ident = &input.ident;
    let (mut reads, mut types) = (Vec::new(), Vec::new());
    for variant in variants(input, "Source")? {
        let variant_ident = &variant.ident;
        let Payload::Whole(ty) = payload(variant)? else {
            return Err(syn::Error::new(
                variant_ident.span(),
                format!("each variant holds the events of one aggregate: `{variant_ident}(OrderEvent)`"),
            ));
        };
        reads.push(quote! {
            if let ::core::option::Option::Some(event) = <#ty as ::polder_sdk::Source>::read(event)? {
                return ::core::result::Result::Ok(::core::option::Option::Some(Self::#variant_ident(event)));
            }
        });
        types.push(ty);
    }
    Ok(quote! {
        #[automatically_derived]
        impl ::polder_sdk::Source for #ident {
            const AGGREGATES: &'static [&'static str] = {
                const PARTS: &[&[&str]] = &[#(<#types as ::polder_sdk::Source>::AGGREGATES),*];
                const JOINED: [&str; ::polder_sdk::__private::names_count(PARTS)] = ::polder_sdk::__private::names_joined(PARTS);
                &JOINED
            };

            fn read(
                event: &::polder_sdk::EventRef<'_>,
            ) -> ::core::result::Result<::core::option::Option<Self>, ::polder_sdk::Fault> {
                #(#reads)*
                ::core::result::Result::Ok(::core::option::Option::None)
            }
        }
    })
}
