//! The names that the server answers to.

use std::net::IpAddr;

/// Names and addresses of this machine.
pub(super) struct Names {
    own: Vec<String>,
}

impl Names {
    /// Those of a server that listens at `host`.
    pub(super) fn of(host: &str) -> Self {
        let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let own = ["localhost", host, machine.trim()].map(str::to_ascii_lowercase);
        Self { own: own.into_iter().filter(|name| !name.is_empty()).collect() }
    }

    /// Whether a request's `Host` is one of them, whatever its port: a tunnel has another one. Whoever asks by an address
    /// has looked up no name.
    pub(super) fn has(&self, host: &str) -> bool {
        let name = match host.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => host.split(':').next().unwrap_or_default(),
        };
        let name = name.to_ascii_lowercase();
        name.parse::<IpAddr>().is_ok() || self.own.contains(&name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_others_are_refused() {
        let names = Names::of("node7.cluster");
        for own in
            ["localhost", "LOCALHOST:7777", "127.0.0.1:80", "[::1]:7777", "node7.cluster:1", "10.0.0.3"]
        {
            assert!(names.has(own), "{own}");
        }
        for other in
            ["", "evil.example", "evil.example:7777", "localhost.evil.example", "127.0.0.1.nip.io", "[evil]"]
        {
            assert!(!names.has(other), "{other}");
        }
    }
}
