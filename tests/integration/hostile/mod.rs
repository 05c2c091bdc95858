//! Guests that misbehave. Each test checks the caller's answer, that the next good call of the same tenant works, and
//! that another tenant is not affected.

mod bombs;
mod calls;
mod compiling;
mod endless;
mod gallery;
pub(crate) mod guests;
mod loading;
mod loops;
mod mutations;
mod note_flood;
mod numbers;
mod process;
mod reads;
mod set_aside;
mod views;
mod wide_views;
mod yard;
