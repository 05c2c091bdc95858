//! Guests that do what no guest should. For each: what the caller is told, that the next good call of the same tenant works, and that
//! another tenant noticed nothing.

mod bombs;
mod calls;
mod compiling;
mod guests;
mod loading;
mod loops;
mod mutations;
mod numbers;
mod reads;
mod set_aside;
mod views;
mod yard;
