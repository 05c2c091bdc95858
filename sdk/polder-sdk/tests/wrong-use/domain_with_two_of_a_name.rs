use std::convert::Infallible;

use polder_sdk::prelude::*;

macro_rules! an_aggregate {
    ($name:literal, $state:ident, $command:ident, $event:ident) => {
        #[aggregate($name)]
        #[derive(Default)]
        struct $state;

        #[derive(Command)]
        enum $command {
            Begin,
        }

        #[derive(Event)]
        enum $event {
            Begun,
        }

        impl Aggregate for $state {
            type Command = $command;
            type Event = $event;
            type Rejection = Infallible;

            fn handle(&self, _: $command, _: &Context) -> Result<Vec<$event>, Infallible> {
                Ok(vec![$event::Begun])
            }

            fn evolve(&mut self, _: &$event) {}
        }
    };
}

an_aggregate!("order", Order, OrderCommand, OrderEvent);
an_aggregate!("order", Offer, OfferCommand, OfferEvent);

domain! {
    name: "orders",
    aggregates: [Order, Offer],
}

fn main() {}
