//! `#[aggregate("order")]`: names an aggregate and makes its state storable.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Data, DeriveInput, Fields, Ident, LitStr, Token};

use crate::{data, names};

struct Arguments {
    name: LitStr,
    /// The field that holds the state of the chart.
    chart: Option<Ident>,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if !input.peek(LitStr) {
            return Err(syn::Error::new(input.span(), "an aggregate needs a name: `#[aggregate(\"order\")]`"));
        }
        let name: LitStr = input.parse()?;
        names::written_segment(&name)?;
        let mut chart = None;
        while input.parse::<Option<Token![,]>>()?.is_some() && !input.is_empty() {
            let key: Ident = input.parse()?;
            if key != "chart" {
                return Err(syn::Error::new(
                    key.span(),
                    "after its name an aggregate may say `chart = field`, nothing else",
                ));
            }
            input.parse::<Token![=]>()?;
            chart = Some(input.parse()?);
        }
        if !input.is_empty() {
            return Err(input.error("expected `,` or nothing"));
        }
        Ok(Self { name, chart })
    }
}

pub(crate) fn expand(attribute: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let Arguments { name, chart } = syn::parse2(attribute)?;
    let input: DeriveInput = syn::parse2(item)?;
    if let Some(parameter) = input.generics.params.first() {
        return Err(syn::Error::new_spanned(parameter, "an aggregate cannot be generic"));
    }
    let (ident, derives, doc) = (&input.ident, data::derives(&input), names::doc(&input.attrs));
    let known = data::known_fields(&input);
    let chart = match chart {
        None => quote! {
            const CHART_FIELD: &'static str = "";
            type Chart = ::polder_sdk::__private::NoChart where Self: ::polder_sdk::Aggregate;
            fn chart(&self) -> &Self::Chart where Self: ::polder_sdk::Aggregate { &::polder_sdk::__private::NoChart }
        },
        Some(field) => {
            let ty = chart_type(&input, &field)?;
            let field_name = field.unraw().to_string();
            // The span of the field, so that the compiler reports a type without a chart there.
            quote_spanned! {field.span()=>
                const CHART_FIELD: &'static str = #field_name;
                type Chart = #ty where Self: ::polder_sdk::Aggregate;
                fn chart(&self) -> &Self::Chart where Self: ::polder_sdk::Aggregate { &self.#field }
            }
        }
    };
    Ok(quote! {
        #derives
        #input
        #known

        #[automatically_derived]
        impl ::polder_sdk::__private::AggregateInfo for #ident {
            const NAME: &'static str = #name;
            const DOC: &'static str = #doc;
            #chart
        }

        #[automatically_derived]
        impl ::polder_sdk::Source for <#ident as ::polder_sdk::Aggregate>::Event {
            const AGGREGATES: &'static [&'static str] = &[#name];

            fn read(
                event: &::polder_sdk::EventRef<'_>,
            ) -> ::core::result::Result<::core::option::Option<Self>, ::polder_sdk::Fault> {
                ::polder_sdk::__private::read_own::<#ident>(event)
            }
        }
    })
}

fn chart_type<'a>(input: &'a DeriveInput, field: &Ident) -> syn::Result<&'a syn::Type> {
    let fields = match &input.data {
        Data::Struct(data) => &data.fields,
        _ => {
            return Err(syn::Error::new(field.span(), "`chart` names a field, so the state has to be a struct"));
        }
    };
    let found = match fields {
        Fields::Named(named) => named.named.iter().find(|candidate| candidate.ident.as_ref() == Some(field)),
        _ => None,
    };
    match found {
        Some(found) => Ok(&found.ty),
        None => Err(syn::Error::new(
            field.span(),
            format!(
                "`{}` has no field `{field}`: `chart` names the field that holds its place in the chart",
                input.ident
            ),
        )),
    }
}
