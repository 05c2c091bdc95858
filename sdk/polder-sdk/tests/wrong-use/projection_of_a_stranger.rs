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
an_aggregate!("offer", Offer, OfferCommand, OfferEvent);

#[projection("offers")]
#[derive(Default)]
struct Offers {
    begun: u32,
}

impl Projection for Offers {
    type Event = OfferEvent;

    fn project(_: &Recorded<OfferEvent>, documents: &mut Documents<Self>) {
        documents.upsert("all", |offers| offers.begun += 1);
    }
}

domain! {
    name: "orders",
    aggregates: [Order],
    projections: [Offers],
}

fn main() {}
