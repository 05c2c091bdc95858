//! Tests of the whole format: from a record to a frame and back, and what damage of any kind leads to.

mod fuzz_tests;
mod lies;
mod reader;
mod round_trips;
mod sample;
mod sizes;
mod sweeps;
mod vectors;
