//! What NVIDIA's driver tells of a card, through its management library (NVML); nothing where that is missing.

use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::{Nvml, cuda_driver_version_major, cuda_driver_version_minor};
use palimpsest_core::Device;
use serde_json::{Value, json};

/// A CUDA device as the driver sees it.
pub(crate) struct Gpu {
    nvml: Nvml,
    which: Which,
}

/// How the driver finds a card.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Which {
    Index(u32),
    Uuid(String),
}

/// CUDA numbers the cards that `CUDA_VISIBLE_DEVICES` names, in its order; the driver numbers all. Without the
/// variable the orders are the same where all cards are of one kind (CUDA puts the fastest first).
fn which(visible: Option<&str>, index: usize) -> Option<Which> {
    let Some(visible) = visible else { return Some(Which::Index(index.try_into().ok()?)) };
    let name = visible.split(',').nth(index)?.trim();
    match name.parse() {
        Ok(index) => Some(Which::Index(index)),
        Err(_) if name.starts_with("GPU-") => Some(Which::Uuid(name.to_owned())),
        // A part of a card has no counters of its own.
        Err(_) => None,
    }
}

impl Gpu {
    /// The card of a device, where it is one and the driver tells of it.
    pub(crate) fn of(device: Device) -> Option<Self> {
        let Device::Cuda(index) = device else { return None };
        let which = which(std::env::var("CUDA_VISIBLE_DEVICES").ok().as_deref(), index)?;
        Self::open(Nvml::init().ok()?, which)
    }

    fn open(nvml: Nvml, which: Which) -> Option<Self> {
        let gpu = Self { nvml, which };
        gpu.card().is_some().then_some(gpu)
    }

    fn card(&self) -> Option<nvml_wrapper::Device<'_>> {
        match &self.which {
            Which::Index(index) => self.nvml.device_by_index(*index).ok(),
            Which::Uuid(uuid) => self.nvml.device_by_uuid(uuid.as_str()).ok(),
        }
    }

    /// As the maker calls it.
    pub(crate) fn name(&self) -> Option<String> {
        self.card()?.name().ok()
    }

    /// Joules since the driver was loaded (Volta or newer). The counter moves a few times in a tenth of a second.
    pub(crate) fn joules(&self) -> Option<f64> {
        Some(self.card()?.total_energy_consumption().ok()? as f64 * 1e-3)
    }

    /// Bytes on the card that a process holds, its library's context included; a container may hide it.
    pub(crate) fn bytes_of(&self, process: u32) -> Option<u64> {
        let all = self.card()?.running_compute_processes().ok()?;
        all.iter().find(|p| p.pid == process).and_then(|p| match p.used_gpu_memory {
            UsedGpuMemory::Used(bytes) => Some(bytes),
            UsedGpuMemory::Unavailable => None,
        })
    }

    /// Name, driver and the newest CUDA that the driver runs, for env.json.
    pub(crate) fn facts(&self) -> Value {
        let cuda = self.nvml.sys_cuda_driver_version().ok().map(|version| {
            format!("{}.{}", cuda_driver_version_major(version), cuda_driver_version_minor(version))
        });
        json!({ "name": self.name(), "driver": self.nvml.sys_driver_version().ok(), "cuda": cuda })
    }
}

/// Tensor-core peak in bfloat16 with f32 sums, and peak in f32 outside tensor cores, in TFLOP/s, dense, at boost
/// clocks, from NVIDIA's data sheets (H100, H200, GH200, A100, L4, L40S, A10, V100, T4) and white papers (GA102,
/// Ada). Every word must be in the driver's name of the card; the first row that fits holds.
const PEAKS: [(&[&str], Option<f64>, f64); 15] = [
    (&["H100", "PCIe"], Some(756.0), 51.0),
    (&["H100", "NVL"], Some(835.0), 60.0),
    (&["H100", "HBM3"], Some(989.4), 66.9),
    (&["H200", "NVL"], Some(835.0), 60.0),
    (&["H200"], Some(989.4), 66.9),
    (&["GH200"], Some(989.4), 66.9),
    (&["A100"], Some(312.0), 19.5),
    (&["L40S"], Some(362.0), 91.6),
    (&["L4"], Some(121.0), 30.3),
    (&["A10"], Some(125.0), 31.2),
    (&["V100", "SXM2"], None, 15.7),
    (&["V100", "PCIE"], None, 14.0),
    (&["T4"], None, 8.1),
    (&["RTX", "4090"], Some(165.2), 82.6),
    (&["RTX", "3090"], Some(71.0), 35.6),
];

/// The peak of a card by the driver's name, in floating-point operations a second; `None` for a card that is not in
/// the table, for a part of a card, and for bfloat16 where the card lacks it.
pub(crate) fn peak(name: &str, bf16: bool) -> Option<f64> {
    let words: Vec<&str> = name.split(|c: char| !c.is_alphanumeric()).collect();
    let has = |word: &str| words.iter().any(|w| w.eq_ignore_ascii_case(word));
    if ["MIG", "Laptop", "D", "Ti"].into_iter().any(has) {
        return None;
    }
    let (_, half, single) = PEAKS.iter().find(|(needed, ..)| needed.iter().all(|word| has(word)))?;
    (if bf16 { *half } else { Some(*single) }).map(|tera| tera * 1e12)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_are_found_by_cudas_numbers() {
        assert_eq!(which(None, 1), Some(Which::Index(1)));
        assert_eq!(which(Some("3, 5"), 1), Some(Which::Index(5)));
        assert_eq!(which(Some("GPU-ab"), 0), Some(Which::Uuid("GPU-ab".to_owned())));
        assert_eq!(which(Some("MIG-ab"), 0), None);
        assert_eq!(which(Some(""), 0), None);
        assert_eq!(which(Some("0"), 1), None);
    }

    #[test]
    fn peaks_go_by_the_drivers_names() {
        let tera = |name, bf16| peak(name, bf16).map(|peak| peak / 1e12);
        assert_eq!(tera("NVIDIA H100 80GB HBM3", true), Some(989.4));
        assert_eq!(tera("NVIDIA H100 80GB HBM3", false), Some(66.9));
        assert_eq!(tera("NVIDIA H100 PCIe", true), Some(756.0));
        assert_eq!(tera("NVIDIA A100-SXM4-80GB", true), Some(312.0));
        assert_eq!(tera("NVIDIA A100-SXM4-40GB MIG 1g.5gb", true), None);
        assert_eq!(tera("NVIDIA L4", true), Some(121.0));
        assert_eq!(tera("NVIDIA L40S", false), Some(91.6));
        assert_eq!(tera("NVIDIA A10", true), Some(125.0));
        assert_eq!(tera("NVIDIA A10G", true), None);
        assert_eq!(tera("Tesla T4", true), None);
        assert_eq!(tera("Tesla V100-SXM2-16GB", false), Some(15.7));
        assert_eq!(tera("NVIDIA GeForce RTX 4090", true), Some(165.2));
        assert_eq!(tera("NVIDIA GeForce RTX 4090 Laptop GPU", true), None);
        assert_eq!(tera("NVIDIA GeForce RTX 4090 D", true), None);
        assert_eq!(tera("llvmpipe", false), None);
    }

    /// A management library with one card, the third, which uses 2.5 J from one look to the next.
    const DRIVER: &str = r#"
        #include <string.h>
        static unsigned long long energy = 1000;
        struct process { unsigned pid; unsigned long long used; unsigned instance, compute; };
        int nvmlInit_v2(void) { return 0; }
        int nvmlShutdown(void) { return 0; }
        int nvmlSystemGetDriverVersion(char *v, unsigned n) { strncpy(v, "580.65.06", n); return 0; }
        int nvmlSystemGetCudaDriverVersion_v2(int *v) { *v = 13020; return 0; }
        int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **d) { *d = &energy; return i == 2 ? 0 : 2; }
        int nvmlDeviceGetName(void *d, char *v, unsigned n) { strncpy(v, "NVIDIA H100 80GB HBM3", n); return 0; }
        int nvmlDeviceGetTotalEnergyConsumption(void *d, unsigned long long *e) {
            *e = energy; energy += 2500; return 0;
        }
        int nvmlDeviceGetComputeRunningProcesses_v3(void *d, unsigned *count, struct process *p) {
            unsigned room = *count;
            *count = 2;
            if (room < 2) return 7; /* NVML_ERROR_INSUFFICIENT_SIZE */
            p[0] = (struct process) { 7, 1, 0, 0 };
            p[1] = (struct process) { 42, 5000000000ull, 0, 0 };
            return 0;
        }
    "#;

    #[test]
    fn a_drivers_figures_are_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let (source, library) = (folder.path().join("driver.c"), folder.path().join("driver.so"));
        std::fs::write(&source, DRIVER).expect("a file");
        let mut cc = std::process::Command::new("cc");
        let status =
            cc.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status().expect("cc starts");
        assert!(status.success());
        let nvml = || Nvml::builder().lib_path(library.as_os_str()).init().expect("the library opens");
        assert!(Gpu::open(nvml(), Which::Index(0)).is_none(), "there is no such card");
        // The library has no way to look a card up by its name.
        assert!(Gpu::open(nvml(), Which::Uuid("GPU-ab".to_owned())).is_none());
        let gpu = Gpu::open(nvml(), Which::Index(2)).expect("the card");
        let facts = json!({ "name": "NVIDIA H100 80GB HBM3", "driver": "580.65.06", "cuda": "13.2" });
        assert_eq!(gpu.facts(), facts);
        assert_eq!((gpu.bytes_of(42), gpu.bytes_of(43)), (Some(5_000_000_000), None));
        let meter = crate::energy::Meter::new(Some(&gpu));
        let before = meter.read();
        assert_eq!(meter.since(&before).device, Some(2.5));
    }

    #[test]
    fn a_machine_without_the_library_has_no_card() {
        assert!(Gpu::of(Device::Cpu).is_none());
        // Whatever machine this is, it has no such card, and says so without a panic.
        assert!(Gpu::of(Device::Cuda(999)).is_none());
    }
}
