//! What a client may rely on, asked over HTTP of the real program.

mod acknowledgements;
mod batch;
mod disk;
mod events;
mod probes;
mod refusals;
mod sequences;
mod shop;
mod state;
mod views;
