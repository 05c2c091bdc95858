//! `domain! { … }`: lists aggregates and projections and, on wasm32, exports the component.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Ident, LitStr, Path, Token, bracketed};

use crate::names;

const SHAPE: &str =
    "a domain is written `domain! { name: \"orders\", aggregates: [Order], projections: [OrderSummary] }`";

struct Domain {
    name: LitStr,
    aggregates: Vec<Path>,
    projections: Vec<Path>,
}

impl Parse for Domain {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let (mut name, mut aggregates, mut projections) = (None, None, None);
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            input.parse::<Token![:]>()?;
            let repeated = match key.to_string().as_str() {
                "name" => name.replace(input.parse::<LitStr>()?).is_some(),
                "aggregates" => aggregates.replace(list(input)?).is_some(),
                "projections" => projections.replace(list(input)?).is_some(),
                other => return Err(syn::Error::new(key.span(), format!("`{other}` means nothing here: {SHAPE}"))),
            };
            if repeated {
                return Err(syn::Error::new(key.span(), format!("`{key}` stands here twice")));
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        let name =
            name.ok_or_else(|| syn::Error::new(Span::call_site(), format!("the domain's name is missing: {SHAPE}")))?;
        names::written_segment(&name)?;
        let (aggregates, projections) = (aggregates.unwrap_or_default(), projections.unwrap_or_default());
        if aggregates.is_empty() && projections.is_empty() {
            return Err(syn::Error::new(
                name.span(),
                format!("the domain has neither an aggregate nor a projection: {SHAPE}"),
            ));
        }
        Ok(Self { name, aggregates, projections })
    }
}

fn list(input: ParseStream<'_>) -> syn::Result<Vec<Path>> {
    let content;
    bracketed!(content in input);
    Ok(Punctuated::<Path, Token![,]>::parse_terminated(&content)?.into_iter().collect())
}

pub(crate) fn expand(input: TokenStream) -> syn::Result<TokenStream> {
    let Domain { name, aggregates, projections } = syn::parse2(input)?;
    let doc = format!("The domain `{}` without WebAssembly: what tests and measurements call.", name.value());
    let aggregate_names = quote!(&[#(<#aggregates as ::polder_sdk::__private::AggregateInfo>::NAME),*]);
    Ok(quote! {
        #[doc = #doc]
        pub fn domain() -> &'static ::polder_sdk::Domain {
            static DOMAIN: ::std::sync::LazyLock<::polder_sdk::Domain> = ::std::sync::LazyLock::new(|| {
                ::polder_sdk::Domain::new(#name)
                    #(.aggregate::<#aggregates>())*
                    #(.projection::<#projections>())*
            });
            &DOMAIN
        }

        const _: () = ::polder_sdk::__private::assert_distinct(
            #aggregate_names,
            "two aggregates of this domain have the same name",
        );
        const _: () = ::polder_sdk::__private::assert_distinct(
            &[#(<#projections as ::polder_sdk::__private::ProjectionInfo>::NAME),*],
            "two projections of this domain have the same name",
        );

        #(const _: () = ::polder_sdk::__private::assert_known(
            <<#projections as ::polder_sdk::Projection>::Event as ::polder_sdk::Source>::AGGREGATES,
            #aggregate_names,
        );)*

        #[cfg(target_arch = "wasm32")]
        #[doc(hidden)]
        mod __polder_component {
            struct Root;

            impl ::polder_sdk::__private::glue::Root for Root {
                fn domain() -> &'static ::polder_sdk::Domain { super::domain() }
            }

            type Component = ::polder_sdk::__private::glue::Component<Root>;
            ::polder_sdk::__private::export_component!(Component);
        }
    })
}
