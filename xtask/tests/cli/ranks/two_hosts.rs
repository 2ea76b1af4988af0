//! Two hosts on one machine, whose network can be cut.

use std::process::{Command, Stdio};

/// Two network namespaces with a cable between them, taken away again when this is dropped.
pub(super) struct TwoHosts {
    names: [String; 2],
}

fn ip(args: &[&str]) -> bool {
    Command::new("ip").args(args).output().is_ok_and(|output| output.status.success())
}

impl TwoHosts {
    /// None where this user may not make them.
    pub(super) fn new() -> Option<Self> {
        let id = std::process::id();
        let names = [format!("pal-a-{id}"), format!("pal-b-{id}")];
        if !ip(&["netns", "add", &names[0]]) {
            return None;
        }
        let hosts = Self { names };
        let [a, b] = &hosts.names;
        let [cable, end] = [format!("va{id}"), format!("vb{id}")];
        let made = ip(&["netns", "add", b])
            && ip(&["link", "add", &cable, "netns", a, "type", "veth", "peer", "name", &end, "netns", b])
            && [(a, &cable, "10.219.7.1/24"), (b, &end, "10.219.7.2/24")].into_iter().all(
                |(host, end, address)| {
                    ip(&["-n", host, "address", "add", address, "dev", end])
                        && ip(&["-n", host, "link", "set", end, "up"])
                        && ip(&["-n", host, "link", "set", "lo", "up"])
                },
            );
        made.then_some(hosts)
    }

    pub(super) fn cut(&self) {
        let cable = format!("va{}", std::process::id());
        assert!(ip(&["-n", &self.names[0], "link", "set", &cable, "down"]));
    }

    /// A rank's command on the host of its number.
    pub(super) fn rank(&self, command: &Command, number: usize) -> Command {
        let mut there = Command::new("ip");
        there
            .args(["netns", "exec", &self.names[number]])
            .arg(command.get_program())
            .args(command.get_args());
        there.current_dir(command.get_current_dir().expect("a folder"));
        for (name, value) in command.get_envs() {
            there.env(name, value.unwrap_or_default());
        }
        there
            .env("MASTER_ADDR", "10.219.7.1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        there
    }
}

impl Drop for TwoHosts {
    fn drop(&mut self) {
        for name in &self.names {
            ip(&["netns", "delete", name]);
        }
    }
}
