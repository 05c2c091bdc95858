//! The reasons why there is no usable connection. Each message includes what to do.

use std::path::PathBuf;

use crate::version::SERVER_VERSION_MIN;

#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error(
        "{urls:?} names no NATS server ({problem}): give nats://127.0.0.1:4222, or several URLs separated by commas"
    )]
    BadUrl { urls: String, problem: String },
    #[error("cannot use {}: {problem}", file.display())]
    BadFile { file: PathBuf, problem: String },
    #[error("no NATS server answers at {urls} ({problem}): start one there, or name another address")]
    NoServer { urls: String, problem: String },
    #[error(
        "the NATS server at {urls} does not let this client in ({problem}): give it the right user and password, NKey or \
         credentials file"
    )]
    NotLetIn { urls: String, problem: String },
    #[error(
        "no trusted connection to the NATS server at {urls} ({problem}): name a file with the certificate of the authority that signed the server's, \
         with --nats-authorities"
    )]
    NotTrusted { urls: String, problem: String },
    #[error(
        "the NATS server at {urls} is of version {found}, which is too old: {} or newer is needed",
        SERVER_VERSION_MIN
    )]
    TooOld { urls: String, found: String },
    #[error(
        "JetStream is off at the NATS server at {urls} ({problem}): start it with `jetstream: enabled` (or -js), and enable it for \
         this client's account"
    )]
    NoJetStream { urls: String, problem: String },
    #[error(
        "the NATS server at {urls} does not answer requests about JetStream: this client must be allowed to publish on $JS.API.> \
         and to subscribe to _INBOX.>"
    )]
    NoJetStreamAnswer { urls: String },
    #[error(transparent)]
    BadInboxPrefix(#[from] crate::reply_to::BadPrefix),
    #[error("no thread for publishing can be started: {0}")]
    NoThread(#[from] std::io::Error),
}
