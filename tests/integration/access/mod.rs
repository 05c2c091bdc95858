//! Who may do what, asked of the built host over HTTP: a token is needed, it permits what it says, and a refusal tells nothing.

mod actors;
mod browsers;
mod events;
mod keys;
mod mutations;
mod permissions;
mod site;
mod streams;
mod tokens;
