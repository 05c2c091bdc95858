//! The floor below the sandbox: the same component on plain wasmtime, without anything around it. No fuel, no
//! deadline, no memory limit, no check of its answers, no journal, no queue.

use std::time::Instant;

use polder_sandbox::GuestCommand;
use polder_sandbox::baseline::BareGuest;

/// The two commands that the load sends in turn.
const TURNS: [(&str, &[u8]); 2] = [
    ("add-line", br#"{"sku":"BIKE-BELL-40","quantity":2,"price":1999}"#),
    ("remove-line", br#"{"sku":"BIKE-BELL-40"}"#),
];

/// Commands per second of all threads together. Each thread has its own instance, with its share of the orders.
pub(crate) fn bare(component: &[u8], threads: usize, aggregates: usize, commands: usize) -> anyhow::Result<f64> {
    let guests = (0..threads).map(|_| BareGuest::new(component)).collect::<Result<Vec<_>, _>>()?;
    let share = commands.div_ceil(threads);
    let per_second = std::thread::scope(|scope| {
        let threads: Vec<_> = guests
            .into_iter()
            .map(|guest| scope.spawn(move || run(guest, aggregates.div_ceil(threads), share)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| anyhow::anyhow!("a thread panicked"))?)
            .sum::<anyhow::Result<f64>>()
    })?;
    Ok(per_second)
}

fn run(mut guest: BareGuest, aggregates: usize, commands: usize) -> anyhow::Result<f64> {
    let ids: Vec<String> = (0..aggregates).map(|number| format!("order-{number}")).collect();
    let mut states = Vec::with_capacity(aggregates);
    for id in &ids {
        let state = guest.start("order", id)?;
        states.push(Some(guest.handle(state, &command("draft-order", id, br#"{"customer":"customer-17"}"#))?));
    }
    let began = Instant::now();
    for number in 0..commands {
        let (order, (name, payload)) = (number % aggregates, TURNS[number / aggregates % 2]);
        let state = states[order].take().expect("it was put back");
        states[order] = Some(guest.handle(state, &command(name, &ids[order], payload))?);
    }
    Ok(commands as f64 / began.elapsed().as_secs_f64())
}

fn command<'a>(name: &'a str, id: &'a str, payload: &'a [u8]) -> GuestCommand<'a> {
    GuestCommand { id, name, payload, at_ms: 1_700_000_000_000, actor: None }
}
