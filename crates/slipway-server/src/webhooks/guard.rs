//! Which addresses may be told something.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use ureq::Agent;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

const URL_LIMIT_CHARS: usize = 2000;

/// Why an address is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the address is not a URL: {0}")]
    NoUrl(String),
    #[error("the address has to begin with https://")]
    NoHttps,
    #[error("the address has to begin with https:// or http://")]
    Scheme,
    #[error("the address must not carry a name or a password; use the secret to sign")]
    Credentials,
    #[error(
        "the address leads to {0}, which is not on the internet; start the server with `--webhooks-to-private` to allow \
         this machine and private networks"
    )]
    Private(IpAddr),
}

/// Refuses what can never be told, before anything is looked up. Names are looked up when something is sent.
pub(crate) fn check_url(url: &str, to_private: bool) -> Result<(), Refused> {
    let shown = |text: &str| text.chars().take(200).collect::<String>();
    if url.chars().count() > URL_LIMIT_CHARS || url.chars().any(|c| c.is_control() || c == ' ') {
        return Err(Refused::NoUrl(shown(url)));
    }
    let uri: Uri = url.parse().map_err(|_| Refused::NoUrl(shown(url)))?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(Refused::NoUrl(shown(url)));
    };
    match scheme {
        "https" => {}
        "http" if to_private => {}
        _ if to_private => return Err(Refused::Scheme),
        _ => return Err(Refused::NoHttps),
    }
    if authority.as_str().contains('@') {
        return Err(Refused::Credentials);
    }
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() {
        return Err(Refused::NoUrl(shown(url)));
    }
    if host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost") {
        return check_ip(IpAddr::V4(Ipv4Addr::LOCALHOST), to_private);
    }
    match host.parse() {
        Ok(ip) => check_ip(ip, to_private),
        Err(_) => Ok(()),
    }
}

/// Refuses an address of this machine, of a private network and the like.
fn check_ip(ip: IpAddr, to_private: bool) -> Result<(), Refused> {
    let reach = match ip {
        IpAddr::V4(ip) => reach_v4(ip),
        IpAddr::V6(ip) => reach_v6(ip),
    };
    match reach {
        Reach::Public => Ok(()),
        Reach::Private if to_private => Ok(()),
        Reach::Private | Reach::Never => Err(Refused::Private(ip)),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Public,
    /// This machine and private networks.
    Private,
    /// Groups, links, reserved ranges: machines there answer no webhook, but give away secrets of a cloud.
    Never,
}

fn reach_v4(ip: Ipv4Addr) -> Reach {
    let [a, b, c, _] = ip.octets();
    match (a, b, c) {
        _ if ip.is_loopback() || ip.is_private() => Reach::Private,
        // Shared between a carrier's customers.
        (100, 64..=127, _) => Reach::Private,
        (0, ..) | (169, 254, _) | (224..=255, ..) => Reach::Never,
        (192, 0, 0 | 2) | (192, 88, 99) | (198, 18 | 19, _) | (198, 51, 100) | (203, 0, 113) => Reach::Never,
        _ => Reach::Public,
    }
}

fn reach_v6(ip: Ipv6Addr) -> Reach {
    let parts = ip.segments();
    let low = || {
        let [high, low] = [parts[6].to_be_bytes(), parts[7].to_be_bytes()];
        Ipv4Addr::new(high[0], high[1], low[0], low[1])
    };
    if ip.is_loopback() {
        return Reach::Private;
    }
    match parts {
        // Addresses of the old kind in other clothes: mapped, translated.
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => reach_v4(low()),
        [0x2002, high, low, ..] => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            reach_v4(Ipv4Addr::new(a, b, c, d))
        }
        [0xfc00..=0xfdff, ..] => Reach::Private,
        // Only this range was given out, and parts of it are for documents and tunnels.
        [0x2001, 0..=0x01ff, ..] | [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => Reach::Never,
        [0x2000..=0x3fff, ..] => Reach::Public,
        _ => Reach::Never,
    }
}

/// Looks a name up, and gives its addresses only if each of them may be told. The connection is made to these and to no
/// others, so that a name cannot mean something else a moment later.
#[derive(Debug, Default)]
pub(crate) struct Guarded {
    pub(super) to_private: bool,
    inner: DefaultResolver,
}

impl Guarded {
    fn new(to_private: bool) -> Self {
        Self { to_private, inner: DefaultResolver::default() }
    }
}

/// What asks addresses that came from outside: it follows no redirect, asks no proxy, and takes every status for an answer.
pub(crate) fn guarded_agent(to_private: bool, patience: Duration, connect_patience: Duration) -> Agent {
    let config = Agent::config_builder()
        .timeout_global(Some(patience))
        .timeout_connect(Some(connect_patience))
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .proxy(None)
        .user_agent(concat!("slipway/", env!("CARGO_PKG_VERSION")))
        .build();
    Agent::with_parts(config, DefaultConnector::default(), Guarded::new(to_private))
}

impl Resolver for Guarded {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.inner.resolve(uri, config, timeout)?;
        check_all(&found, self.to_private).map_err(|refused| ureq::Error::Other(Box::new(refused)))?;
        Ok(found)
    }
}

fn check_all(addresses: &[SocketAddr], to_private: bool) -> Result<(), Refused> {
    addresses.iter().try_for_each(|address| check_ip(address.ip(), to_private))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_internet_is_told_unless_it_is_allowed() {
        for (url, public, private) in [
            ("https://example.org/hook?x=1", true, true),
            ("https://93.184.216.34/x", true, true),
            ("https://[2606:2800:220:1::1]/x", true, true),
            ("http://example.org/x", false, true),
            ("ftp://example.org/x", false, false),
            ("https://name:word@example.org/x", false, false),
            ("https:///x", false, false),
            ("example.org", false, false),
            ("https://exa mple.org", false, false),
            ("https://example.org/\r\nX: y", false, false),
            ("https://localhost:5000/x", false, true),
            ("https://a.LocalHost/x", false, true),
            ("https://127.0.0.1/x", false, true),
            ("https://127.9.9.9/x", false, true),
            ("https://10.0.0.1/x", false, true),
            ("https://172.31.0.1/x", false, true),
            ("https://192.168.1.1/x", false, true),
            ("https://100.64.0.1/x", false, true),
            ("https://[::1]/x", false, true),
            ("https://[fd00::1]/x", false, true),
            ("https://[::ffff:127.0.0.1]/x", false, true),
            ("https://[::ffff:10.0.0.1]/x", false, true),
            ("https://[64:ff9b::7f00:1]/x", false, true),
            ("https://[2002:7f00:1::]/x", false, true),
            ("https://169.254.169.254/latest", false, false),
            ("https://[::ffff:169.254.169.254]/x", false, false),
            ("https://[fe80::1]/x", false, false),
            ("https://0.0.0.0/x", false, false),
            ("https://[::]/x", false, false),
            ("https://224.0.0.1/x", false, false),
            ("https://255.255.255.255/x", false, false),
            ("https://[ff02::1]/x", false, false),
            ("https://[2001:db8::1]/x", false, false),
        ] {
            assert_eq!(check_url(url, false).is_ok(), public, "{url}");
            assert_eq!(check_url(url, true).is_ok(), private, "{url} with private networks");
        }
    }

    #[test]
    fn a_name_with_one_bad_address_is_refused_whole() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        let both = [address("93.184.216.34:443"), address("127.0.0.1:443")];
        assert!(check_all(&both, false).is_err());
        assert!(check_all(&both[..1], false).is_ok());
    }
}
