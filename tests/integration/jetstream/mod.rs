//! The journal on JetStream, with real servers.

mod checker;
mod contract;
mod cut_off;
mod divided;
mod hosts;
mod kills;
mod losses;
mod owners;
mod quorum;
mod site;
mod strangers;
