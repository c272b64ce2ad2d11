//! Where load goes: this machine, and nowhere else.

use std::net::SocketAddr;
use std::str::FromStr;

/// A server's address. Only loopback: the report needs the servers' own processor time, and a typing error must not
/// load somebody else's machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target(pub(crate) SocketAddr);

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix("http://").unwrap_or(text);
        let host = rest.strip_suffix('/').unwrap_or(rest);
        if host.contains('/') {
            return Err("a target is http://ADDRESS:PORT, such as http://127.0.0.1:8080".into());
        }
        let address = match host.strip_prefix("localhost:") {
            Some(port) => format!("127.0.0.1:{port}").parse(),
            None => host.parse::<SocketAddr>(),
        };
        let address = address.map_err(|_| "a target is http://ADDRESS:PORT, such as http://127.0.0.1:8080")?;
        if address.ip().is_loopback() {
            Ok(Self(address))
        } else {
            Err("only this machine is loaded: take an address like 127.0.0.1, and run swarm where the servers run"
                .into())
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "http://{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_a_target() {
        for good in ["http://127.0.0.1:8080", "http://localhost:8080/", "127.0.0.1:8080"] {
            assert_eq!(good.parse::<Target>().unwrap().0, "127.0.0.1:8080".parse().unwrap(), "{good}");
        }
        assert!("[::1]:3000".parse::<Target>().is_ok());
        for bad in ["http://10.0.0.1:8080", "http://example.com:80", "127.0.0.1", "http://127.0.0.1:8080/chat", ""] {
            assert!(bad.parse::<Target>().is_err(), "{bad}");
        }
    }
}
