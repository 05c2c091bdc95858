//! The host and the tenant that a command addresses, and the token that it presents.

use clap::Args;
use polder_core::TenantName;

pub(crate) const HOST_DEFAULT: &str = "http://127.0.0.1:7117";

#[derive(Debug, Clone, Args)]
pub(crate) struct Target {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// The tenant whose domains and history are used.
    #[arg(long, default_value = "main")]
    pub(crate) tenant: TenantName,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Connection {
    /// URL of the host.
    #[arg(long, env = "POLDER_HOST", default_value = HOST_DEFAULT, value_name = "URL", value_parser = host_url)]
    pub(crate) host: String,
    /// Token from `polder token issue`. Set POLDER_TOKEN instead to hide it from other programs on this machine.
    #[arg(long, env = "POLDER_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub(crate) token: Option<String>,
}

fn host_url(text: &str) -> Result<String, String> {
    let example = "http://127.0.0.1:7117 would be right";
    let url: reqwest::Url = text.parse().map_err(|error| format!("{error}; {example}"))?;
    match url.scheme() {
        "http" if url.has_host() => Ok(text.trim_end_matches('/').to_owned()),
        "https" => Err(format!("this program speaks no TLS; {example}")),
        _ => Err(format!("that is no address of a host; {example}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_an_http_address() {
        assert_eq!(host_url("http://localhost:7117/").unwrap(), "http://localhost:7117");
        for text in ["localhost:7117", "https://example.org", "", "http://", "file:///x"] {
            assert!(host_url(text).unwrap_err().contains("http://127.0.0.1:7117 would be right"), "{text}");
        }
    }
}
