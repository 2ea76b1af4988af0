//! Energy by the machine's own counters: processors by Linux's powercap (RAPL), CUDA devices by NVML.

use std::fs;
use std::path::{Path, PathBuf};

use crate::gpu::Gpu;

/// Joules between two looks at a counter; `None` where there is none that may be read.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Joules {
    /// Processors and their memory.
    pub(crate) host: Option<f64>,
    /// The CUDA device.
    pub(crate) device: Option<f64>,
}

impl Joules {
    /// A share of it.
    pub(crate) fn share(self, of: f64) -> Self {
        Self { host: self.host.map(|j| j / of), device: self.device.map(|j| j / of) }
    }

    /// All that was measured.
    pub(crate) fn total(self) -> Option<f64> {
        match (self.host, self.device) {
            (Some(host), Some(device)) => Some(host + device),
            (host, device) => host.or(device),
        }
    }
}

/// The counters of a machine.
pub(crate) struct Meter<'a> {
    powercap: Vec<Zone>,
    gpu: Option<&'a Gpu>,
}

/// What the counters showed.
pub(crate) struct Reading {
    /// Microjoules of each zone.
    zones: Option<Vec<u64>>,
    device: Option<f64>,
}

/// A counter of Linux's powercap.
struct Zone {
    energy: PathBuf,
    /// Microjoules at which it starts again from zero.
    range: u64,
}

impl<'a> Meter<'a> {
    /// This machine's, with the card of the run.
    pub(crate) fn new(gpu: Option<&'a Gpu>) -> Self {
        Self { powercap: zones(Path::new("/sys/class/powercap")), gpu }
    }

    /// What the counters show now.
    pub(crate) fn read(&self) -> Reading {
        let zones = self.powercap.iter().map(|zone| number(&zone.energy)).collect::<Option<Vec<u64>>>();
        Reading { zones: zones.filter(|zones| !zones.is_empty()), device: self.gpu.and_then(Gpu::joules) }
    }

    /// What was used since.
    pub(crate) fn since(&self, before: &Reading) -> Joules {
        let now = self.read();
        let host = before.zones.as_ref().zip(now.zones).map(|(before, now)| {
            let used = |((zone, before), now): ((&Zone, &u64), u64)| match now.checked_sub(*before) {
                Some(used) => used,
                // Once around. A counter of 262 kJ lasts for twenty minutes at 200 W: more than a turn.
                None => zone.range.saturating_sub(*before) + now,
            };
            let micro: u64 = self.powercap.iter().zip(before).zip(now).map(used).sum();
            micro as f64 * 1e-6
        });
        let device = before.device.zip(now.device).map(|(before, now)| (now - before).max(0.0));
        Joules { host, device }
    }
}

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The packages and their memory in a powercap folder. Cores and graphics are parts of a package, and `psys`, where
/// a machine has it, of everything: adding them would count twice. Since 2020 the kernel lets only root read.
fn zones(root: &Path) -> Vec<Zone> {
    let Ok(entries) = fs::read_dir(root) else { return vec![] };
    let mut zones: Vec<Zone> = entries
        .filter_map(|entry| {
            let folder = entry.ok()?.path();
            // `intel-rapl-mmio` shows the same package a second time. AMD's counters have this name too.
            let rapl = folder.file_name()?.to_str()?.starts_with("intel-rapl:");
            let name = fs::read_to_string(folder.join("name")).ok()?;
            let counted = name.starts_with("package") || name.trim() == "dram";
            let zone = Zone {
                energy: folder.join("energy_uj"),
                range: number(&folder.join("max_energy_range_uj"))?,
            };
            (rapl && counted && number(&zone.energy).is_some()).then_some(zone)
        })
        .collect();
    zones.sort_by(|a, b| a.energy.cmp(&b.energy));
    zones
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A powercap folder of a machine with two packages.
    fn powercap() -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a folder");
        for (folder, name) in [
            ("intel-rapl:0", "package-0"),
            ("intel-rapl:0:0", "core"),
            ("intel-rapl:0:1", "dram"),
            ("intel-rapl:1", "package-1"),
            ("intel-rapl:2", "psys"),
            ("intel-rapl-mmio:0", "package-0"),
        ] {
            fs::create_dir(root.path().join(folder)).expect("a folder");
            fs::write(root.path().join(folder).join("name"), format!("{name}\n")).expect("a file");
            fs::write(root.path().join(folder).join("max_energy_range_uj"), "262143328850\n")
                .expect("a file");
            set(root.path(), folder, 1_000_000);
        }
        // The control type itself has no counter.
        fs::create_dir(root.path().join("intel-rapl")).expect("a folder");
        root
    }

    fn set(root: &Path, folder: &str, micro: u64) {
        fs::write(root.join(folder).join("energy_uj"), format!("{micro}\n")).expect("a file");
    }

    #[test]
    fn packages_and_memory_are_added_once() {
        let root = powercap();
        let meter = Meter { powercap: zones(root.path()), gpu: None };
        let before = meter.read();
        set(root.path(), "intel-rapl:0", 6_000_000);
        set(root.path(), "intel-rapl:0:0", 5_000_000);
        set(root.path(), "intel-rapl:0:1", 1_500_000);
        set(root.path(), "intel-rapl:1", 3_000_000);
        set(root.path(), "intel-rapl:2", 90_000_000);
        set(root.path(), "intel-rapl-mmio:0", 6_000_000);
        assert_eq!(meter.since(&before), Joules { host: Some(5.0 + 0.5 + 2.0), device: None });
    }

    #[test]
    fn a_counter_starts_again() {
        let root = powercap();
        let meter = Meter { powercap: zones(root.path()), gpu: None };
        set(root.path(), "intel-rapl:0", 262_143_328_850 - 2_000_000);
        let before = meter.read();
        set(root.path(), "intel-rapl:0", 1_000_000);
        assert_eq!(meter.since(&before).host, Some(3.0));
    }

    #[test]
    fn counters_that_may_not_be_read_give_nothing() {
        let none = Meter { powercap: zones(Path::new("/nowhere/powercap")), gpu: None };
        assert_eq!(none.since(&none.read()), Joules::default());
        let root = powercap();
        let meter = Meter { powercap: zones(root.path()), gpu: None };
        let before = meter.read();
        // One that goes away, or is closed, leaves no sum to trust.
        fs::remove_file(root.path().join("intel-rapl:1/energy_uj")).expect("a file");
        assert_eq!(meter.since(&before), Joules::default());
        assert_eq!(zones(root.path()).len(), 2);
    }

    #[test]
    fn shares_and_totals() {
        let joules = Joules { host: Some(6.0), device: None };
        assert_eq!(joules.share(3.0), Joules { host: Some(2.0), device: None });
        assert_eq!(joules.total(), Some(6.0));
        assert_eq!(Joules { host: Some(6.0), device: Some(1.0) }.total(), Some(7.0));
        assert_eq!(Joules::default().total(), None);
    }
}
