//! The attributes and derives of `polder-sdk`, which re-exports and documents them.
//!
//! The macros only add code: an author's code stays unchanged, and generated code sits in `const _` blocks or hidden
//! modules. A wrong use is reported at the wrong word.

#![forbid(unsafe_code)]

use proc_macro::TokenStream;
use syn::parse_macro_input;

mod aggregate;
mod chart;
mod command;
mod data;
mod domain;
mod event;
mod names;
mod projection;
mod rejection;
mod source;
mod stored_names;
mod stubs;
mod value_object;
mod variants;

#[proc_macro_derive(Command, attributes(command, serde))]
pub fn derive_command(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input);
    stubs::or_stub(command::derive(&input), || stubs::command(&input)).into()
}

#[proc_macro_derive(Event, attributes(event, serde))]
pub fn derive_event(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input);
    stubs::or_stub(event::derive(&input), || stubs::event(&input)).into()
}

#[proc_macro_derive(Rejection, attributes(rejection))]
pub fn derive_rejection(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input);
    stubs::or_stub(rejection::derive(&input), || stubs::rejection(&input)).into()
}

#[proc_macro_derive(StateChart, attributes(chart, on))]
pub fn derive_state_chart(input: TokenStream) -> TokenStream {
    chart::derive(&parse_macro_input!(input)).into()
}

#[proc_macro_derive(Source)]
pub fn derive_source(input: TokenStream) -> TokenStream {
    finish(source::derive(&parse_macro_input!(input)))
}

#[proc_macro_attribute]
pub fn aggregate(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let item = proc_macro2::TokenStream::from(item);
    stubs::or_item(aggregate::expand(attribute.into(), item.clone()), item, stubs::aggregate).into()
}

#[proc_macro_attribute]
pub fn projection(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let item = proc_macro2::TokenStream::from(item);
    stubs::or_item(projection::expand(attribute.into(), item.clone()), item, stubs::projection).into()
}

#[proc_macro_attribute]
pub fn data(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let item = proc_macro2::TokenStream::from(item);
    stubs::or_item(data::expand(attribute.into(), item.clone()), item, |_| proc_macro2::TokenStream::new()).into()
}

#[proc_macro_attribute]
pub fn value_object(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let item = proc_macro2::TokenStream::from(item);
    stubs::or_item(value_object::expand(attribute.into(), item.clone()), item, |_| proc_macro2::TokenStream::new())
        .into()
}

#[proc_macro]
pub fn domain(input: TokenStream) -> TokenStream {
    finish(domain::expand(input.into()))
}

fn finish(expanded: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    expanded.unwrap_or_else(|error| error.to_compile_error()).into()
}
