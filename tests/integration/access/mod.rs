//! Permissions, tested over HTTP with the built host: a token is needed, it permits what it lists, and a refusal
//! reveals nothing.

mod actors;
mod batches;
mod browsers;
mod events;
mod keys;
mod mutations;
mod permissions;
mod site;
mod streams;
mod tokens;
