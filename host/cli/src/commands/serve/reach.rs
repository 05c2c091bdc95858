//! Without access keys no client is authenticated, so a host may be reached from its own machine only.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use anyhow::bail;
use polder_nats::ConnectOptions;

/// Checks that only this machine can send requests, unless there are access keys.
pub(super) fn check_http(has_keys: bool, listen: SocketAddr, data: &Path) -> anyhow::Result<()> {
    if has_keys || listen.ip().is_loopback() {
        return Ok(());
    }
    bail!(
        "without access keys a host listens on loopback only, and {listen} can be reached from elsewhere: make a key with \
         `polder token key new --data {}`, or listen on 127.0.0.1:7117",
        data.display()
    )
}

/// Checks that NATS carries only what comes from this machine, unless there are access keys.
pub(super) fn check_nats(has_keys: bool, options: &ConnectOptions) -> anyhow::Result<()> {
    if has_keys {
        return Ok(());
    }
    for url in options.urls.split(',') {
        if !is_loopback(url.trim()) {
            bail!(
                "without access keys a host serves loopback only, and every client that reaches {} could send it commands: make a key with \
                 `polder token key new`",
                without_password(url.trim())
            );
        }
    }
    Ok(())
}

fn is_loopback(url: &str) -> bool {
    let address = without_password(url);
    let address = address.split_once("://").map_or(address.as_str(), |(_, rest)| rest);
    let host = match address.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => address.split([':', '/']).next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn without_password(url: &str) -> String {
    match url.rsplit_once('@') {
        Some((head, address)) => match head.split_once("://") {
            Some((scheme, _)) => format!("{scheme}://{address}"),
            None => address.to_owned(),
        },
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_keys_only_loopback_is_listened_on() {
        let check = |has_keys, listen: &str| check_http(has_keys, listen.parse().unwrap(), Path::new("data"));
        for listen in ["127.0.0.1:7117", "127.0.0.2:0", "[::1]:80"] {
            assert!(check(false, listen).is_ok() && check(true, listen).is_ok(), "{listen}");
        }
        for listen in ["0.0.0.0:7117", "[::]:7117", "192.168.1.5:7117"] {
            assert!(check(true, listen).is_ok(), "{listen}");
            let refused = check(false, listen).unwrap_err().to_string();
            assert!(
                refused.contains("loopback only") && refused.contains("polder token key new --data data"),
                "{refused}"
            );
        }
    }

    #[test]
    fn without_keys_nats_is_on_this_machine() {
        let check = |has_keys, urls: &str| {
            check_nats(has_keys, &ConnectOptions { urls: urls.to_owned(), ..ConnectOptions::default() })
        };
        for urls in ["nats://127.0.0.1:4222", "localhost", "tls://ann:a@b@127.0.0.1:4222, nats://[::1]:4222"] {
            assert!(check(false, urls).is_ok(), "{urls}");
        }
        for urls in ["nats://nats.example:4222", "nats://127.0.0.1:4222,10.0.0.1", "nats://localhost@10.0.0.1"] {
            assert!(check(true, urls).is_ok(), "{urls}");
            assert!(check(false, urls).unwrap_err().to_string().contains("polder token key new"), "{urls}");
        }
        assert!(!check(false, "nats://ann:secret@10.0.0.1").unwrap_err().to_string().contains("secret"));
    }
}
