//! `#[derive(StateChart)]`: the life cycle of an aggregate, written at its states.

use std::collections::BTreeMap;

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{DeriveInput, Fields, Ident, Path, Token, Variant};

use crate::names;
use crate::variants::variants;

/// `SubmitOrder -> OrderSubmitted -> Submitted`, or `SubmitOrder` alone: it may be asked, and nothing comes of it.
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

pub(crate) fn derive(input: &DeriveInput) -> syn::Result<TokenStream> {
    let ident = &input.ident;
    let (aggregate, chart_span) = aggregate_of(input)?;
    let states = variants(input, "StateChart")?;
    let mut moves = Vec::new();
    let mut state_names = Vec::new();
    for state in &states {
        if !matches!(state.fields, Fields::Unit) {
            return Err(syn::Error::new_spanned(
                &state.fields,
                "a state of a chart is a name only: keep data in the aggregate",
            ));
        }
        state_names.push(names::derived(&state.ident)?);
        moves.extend(moves_of(state)?.into_iter().map(|step| (&state.ident, step)));
    }

    let mut allowed: BTreeMap<(String, String), TokenStream> = BTreeMap::new();
    let mut targets: BTreeMap<(String, String), (Ident, TokenStream)> = BTreeMap::new();
    let (mut rows, mut commands, mut events) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
    for (from, step) in &moves {
        let command = &step.command;
        allowed
            .entry((from.to_string(), command.to_string()))
            .or_insert_with(|| quote!((Self::#from, Command::#command { .. }) => true));
        commands.entry(command.to_string()).or_insert(command);
        let (from_name, command_word) = (names::kebab(from), command.to_string());
        let Some((event, to)) = &step.follows else {
            rows.push(quote!(::polder_sdk::__private::Move { from: #from_name, command: #command_word, event: "", to: #from_name }));
            continue;
        };
        if !states.iter().any(|state| state.ident == *to) {
            return Err(syn::Error::new(to.span(), format!("`{ident}` has no state `{to}`")));
        }
        let key = (from.to_string(), event.to_string());
        match targets.get(&key) {
            Some((first, _)) if first != to => {
                return Err(syn::Error::new(
                    to.span(),
                    format!("from `{from}`, `{event}` leads to `{first}` already: an event leads to one state"),
                ));
            }
            _ => {
                targets.insert(
                    key,
                    (
                        to.clone(),
                        quote!((Self::#from, Event::#event { .. }) => ::core::option::Option::Some(Self::#to)),
                    ),
                );
            }
        }
        events.entry(event.to_string()).or_insert(event);
        let (event_word, to_name) = (event.to_string(), names::kebab(to));
        rows.push(quote! {
            ::polder_sdk::__private::Move { from: #from_name, command: #command_word, event: #event_word, to: #to_name }
        });
    }
    let (allowed, targets) = (allowed.values(), targets.values().map(|(_, arm)| arm));
    let state_idents = states.iter().map(|state| &state.ident);
    let (commands, events) = (commands.values(), events.values());
    // Without a wildcard, so that the compiler names what the chart has forgotten.
    let complete = quote_spanned! {chart_span=>
        fn every_command_has_a_place_in_the_chart(command: &Command) {
            match command { #(Command::#commands { .. } => {})* }
        }
        fn every_event_has_a_place_in_the_chart(event: &Event) {
            match event { #(Event::#events { .. } => {})* }
        }
    };
    Ok(quote! {
        #[automatically_derived]
        const _: () = {
            type Command = <#aggregate as ::polder_sdk::Aggregate>::Command;
            type Event = <#aggregate as ::polder_sdk::Aggregate>::Event;

            #[allow(dead_code)]
            const _: () = { #complete };

            impl ::polder_sdk::StateChart<#aggregate> for #ident {
                const STATES: &'static [&'static str] = &[#(#state_names),*];
                const MOVES: &'static [::polder_sdk::__private::Move] = &[#(#rows),*];

                fn name(&self) -> &'static str {
                    match self { #(Self::#state_idents => #state_names),* }
                }

                #[allow(unreachable_patterns)]
                fn allows(&self, command: &Command) -> bool {
                    match (self, command) { #(#allowed,)* _ => false }
                }

                #[allow(unreachable_patterns)]
                fn after(&self, event: &Event) -> ::core::option::Option<Self> {
                    match (self, event) { #(#targets,)* _ => ::core::option::Option::None }
                }
            }
        };
    })
}

fn aggregate_of(input: &DeriveInput) -> syn::Result<(Path, Span)> {
    const NEEDED: &str = "a chart says whose it is: `#[chart(aggregate = Order)]`";
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
