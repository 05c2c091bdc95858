//! `#[derive(StateChart)]`: the life cycle of an aggregate, declared at its states.

use std::collections::BTreeMap;

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{DeriveInput, Fields, Ident, Path, Token, Variant};

use crate::stored_names::{Rule, stored};
use crate::stubs;
use crate::variants::variants;

/// `SubmitOrder -> OrderSubmitted -> Submitted`, or `SubmitOrder` alone: the command is allowed and leads to no event.
struct Move {
    command: Ident,
    follows: Option<(Ident, Ident)>,
}

impl Parse for Move {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let command = input.parse()?;
        if input.is_empty() || input.peek(Token![,]) {
            return Ok(Self { command, follows: None });
        }
        input.parse::<Token![->]>()?;
        let event = input.parse()?;
        if !input.peek(Token![->]) {
            return Err(input.error("a move has three words: `Command -> Event -> State`"));
        }
        input.parse::<Token![->]>()?;
        Ok(Self { command, follows: Some((event, input.parse()?)) })
    }
}

pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let ident = &input.ident;
    let (aggregate, span) = match aggregate_of(input) {
        Ok(found) => found,
        Err(error) => return stubs::or_stub(Err(error), || stubs::chart(input)),
    };
    let expanded = Chart::of(input).map(|chart| chart.expand(input, &aggregate, span));
    expanded.unwrap_or_else(|error| {
        let error = error.to_compile_error();
        // An empty chart, so that the mistake is not reported again by all code that needs a chart.
        quote! {
            #error

            #[automatically_derived]
            impl ::polder_sdk::StateChart<#aggregate> for #ident {
                const STATES: &'static [&'static str] = &[];
                const MOVES: &'static [::polder_sdk::__private::Move] = &[];
                fn name(&self) -> &'static str { "" }
                fn allows(&self, _: &<#aggregate as ::polder_sdk::Aggregate>::Command) -> bool { true }
                fn after(&self, _: &<#aggregate as ::polder_sdk::Aggregate>::Event) -> ::core::option::Option<Self> {
                    ::core::option::Option::None
                }
            }
        }
    })
}

struct Chart<'a> {
    /// The states, each with the name under which it is stored.
    states: Vec<(&'a Ident, String)>,
    /// The moves, each with the state that it starts from.
    moves: Vec<(&'a Ident, Move)>,
}

impl<'a> Chart<'a> {
    fn of(input: &'a DeriveInput) -> syn::Result<Self> {
        let mut chart = Self { states: Vec::new(), moves: Vec::new() };
        let rule = Rule::of(&input.attrs);
        for state in variants(input, "StateChart")? {
            if !matches!(state.fields, Fields::Unit) {
                return Err(syn::Error::new_spanned(
                    &state.fields,
                    "a state of a chart is a name only: keep data in the aggregate",
                ));
            }
            chart.states.push((&state.ident, stored(state, rule)));
            chart.moves.extend(moves_of(state)?.into_iter().map(|step| (&state.ident, step)));
        }
        let mut targets: BTreeMap<(String, String), &Ident> = BTreeMap::new();
        for (from, step) in &chart.moves {
            let Some((event, to)) = &step.follows else { continue };
            if !chart.states.iter().any(|(state, _)| *state == to) {
                return Err(syn::Error::new(to.span(), format!("`{}` has no state `{to}`", input.ident)));
            }
            let first = *targets.entry((from.to_string(), event.to_string())).or_insert(to);
            if first != to {
                return Err(syn::Error::new(
                    to.span(),
                    format!("from `{from}`, `{event}` leads to `{first}` already: an event leads to one state"),
                ));
            }
        }
        Ok(chart)
    }

    /// The stored name of a state of this chart.
    fn name_of(&self, state: &Ident) -> String {
        let found = self.states.iter().find(|(ident, _)| *ident == state);
        found.map(|(_, name)| name.clone()).unwrap_or_default()
    }

    fn expand(&self, input: &DeriveInput, aggregate: &Path, span: Span) -> TokenStream {
        let ident = &input.ident;
        let commands = Words::of("command", self.moves.iter().map(|(_, step)| &step.command));
        let events = Words::of("event", self.moves.iter().filter_map(|(_, step)| Some(&step.follows.as_ref()?.0)));
        let (command_places, event_places) = (commands.places(aggregate, span), events.places(aggregate, span));
        let (mut rows, mut allowed, mut targets) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        for (from, step) in &self.moves {
            let (from_name, command, command_place) =
                (self.name_of(from), step.command.to_string(), commands.place(&step.command));
            allowed.insert((from.to_string(), command.clone()), quote!((Self::#from, #command_place) => true));
            let (event, to) = match &step.follows {
                None => (String::new(), from_name.clone()),
                Some((event, to)) => {
                    let event_place = events.place(event);
                    let arm = quote!((Self::#from, #event_place) => ::core::option::Option::Some(Self::#to));
                    targets.insert((from.to_string(), event.to_string()), arm);
                    (event.to_string(), self.name_of(to))
                }
            };
            rows.push(quote! {
                ::polder_sdk::__private::Move { from: #from_name, command: #command, event: #event, to: #to }
            });
        }
        let (allowed, targets) = (allowed.values(), targets.values());
        let (states, state_names): (Vec<_>, Vec<_>) = self.states.iter().map(|(state, name)| (*state, name)).unzip();
        quote! {
            #[automatically_derived]
            const _: () = {
                type Command = <#aggregate as ::polder_sdk::Aggregate>::Command;
                type Event = <#aggregate as ::polder_sdk::Aggregate>::Event;

                #command_places
                #event_places

                impl ::polder_sdk::StateChart<#aggregate> for #ident {
                    const STATES: &'static [&'static str] = &[#(#state_names),*];
                    const MOVES: &'static [::polder_sdk::__private::Move] = &[#(#rows),*];

                    fn name(&self) -> &'static str {
                        match self { #(Self::#states => #state_names),* }
                    }

                    fn allows(&self, command: &Command) -> bool {
                        match (self, ::polder_sdk::Command::index(command)) { #(#allowed,)* _ => false }
                    }

                    fn after(&self, event: &Event) -> ::core::option::Option<Self> {
                        match (self, ::polder_sdk::Event::index(event)) { #(#targets,)* _ => ::core::option::Option::None }
                    }
                }
            };
        }
    }
}

/// The commands, or the events, that a chart names.
struct Words<'a> {
    kind: &'static str,
    words: BTreeMap<String, &'a Ident>,
}

impl<'a> Words<'a> {
    fn of(kind: &'static str, words: impl Iterator<Item = &'a Ident>) -> Self {
        let mut found = Self { kind, words: BTreeMap::new() };
        for word in words {
            found.words.entry(word.to_string()).or_insert(word);
        }
        found
    }

    /// The name of the constant that holds a word's index among the variants of its enum.
    fn place(&self, word: &Ident) -> Ident {
        format_ident!("{}_{}", self.kind.to_uppercase(), word, span = Span::call_site())
    }

    /// The constants, and a check that the chart names every variant. A constant stops the build at a word that the
    /// enum does not have. The compiler evaluates them, because only the compiler knows both enums.
    fn places(&self, aggregate: &Path, span: Span) -> TokenStream {
        let owner = aggregate.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
        let all = match self.kind {
            "command" => quote!(<Command as ::polder_sdk::Command>::WORDS),
            _ => quote!(<Event as ::polder_sdk::Event>::WORDS),
        };
        let places = self.words.iter().map(|(text, word)| {
            let place = self.place(word);
            let problem = format!("`{text}` is not one of the {}s of `{owner}`", self.kind);
            quote_spanned! {word.span()=>
                #[allow(non_upper_case_globals)]
                const #place: usize = match ::polder_sdk::__private::place_of(#all, #text) {
                    ::core::option::Option::Some(place) => place,
                    ::core::option::Option::None => ::core::panic!(#problem),
                };
            }
        });
        let words = self.words.keys();
        let problem = format!("` has no place in this chart: every {} of `{owner}` needs one", self.kind);
        let complete = quote_spanned! {span=>
            const _: () = {
                const FORGOTTEN: &str = ::polder_sdk::__private::forgotten(#all, &[#(#words),*]);
                const PARTS: &[&str] = &["`", FORGOTTEN, #problem];
                const PROBLEM: [u8; ::polder_sdk::__private::bytes_count(PARTS)] = ::polder_sdk::__private::bytes_joined(PARTS);
                ::core::assert!(FORGOTTEN.is_empty(), "{}", ::polder_sdk::__private::text(&PROBLEM));
            };
        };
        quote!(#(#places)* #complete)
    }
}

fn aggregate_of(input: &DeriveInput) -> syn::Result<(Path, Span)> {
    const NEEDED: &str = "a chart names its aggregate: `#[chart(aggregate = Order)]`";
    let Some(attribute) = input.attrs.iter().find(|attribute| attribute.path().is_ident("chart")) else {
        return Err(syn::Error::new(input.ident.span(), NEEDED));
    };
    let mut aggregate = None;
    attribute.parse_nested_meta(|meta| {
        if !meta.path.is_ident("aggregate") {
            return Err(meta.error(NEEDED));
        }
        aggregate = Some(meta.value()?.parse::<Path>()?);
        Ok(())
    })?;
    let aggregate = aggregate.ok_or_else(|| syn::Error::new_spanned(attribute, NEEDED))?;
    let span = syn::spanned::Spanned::span(&aggregate);
    Ok((aggregate, span))
}

fn moves_of(state: &Variant) -> syn::Result<Vec<Move>> {
    let mut moves = Vec::new();
    for attribute in state.attrs.iter().filter(|attribute| attribute.path().is_ident("on")) {
        moves.extend(attribute.parse_args_with(Punctuated::<Move, Token![,]>::parse_terminated)?);
    }
    Ok(moves)
}
