//! wgpu's adapters: any GPU with a driver for Vulkan (on other systems than Linux Metal or DirectX 12). Shaders
//! are written in WGSL.

use std::sync::OnceLock;

use cubecl::device::{WgpuBackend, WgpuDevice, WgpuDeviceKind};
use palimpsest_core::{Error, Result};

use crate::panics::caught;

/// The kinds of adapters, the fastest first; the last is the processor, as Mesa's lavapipe offers it.
const KINDS: [WgpuDeviceKind; 5] = [
    WgpuDeviceKind::DiscreteGpu(0),
    WgpuDeviceKind::IntegratedGpu(0),
    WgpuDeviceKind::VirtualGpu(0),
    WgpuDeviceKind::Other(0),
    WgpuDeviceKind::Cpu,
];

/// What adapters are looked for with. On Linux there is OpenGL besides, which computes little.
const API: WgpuBackend = if cfg!(target_os = "linux") { WgpuBackend::Vulkan } else { WgpuBackend::Auto };

/// The adapters, the fastest kind first.
pub(super) fn adapters() -> &'static [cubecl::Device] {
    static ADAPTERS: OnceLock<Vec<cubecl::Device>> = OnceLock::new();
    ADAPTERS.get_or_init(|| {
        let of_kind =
            |kind| cubecl::Device::enumerate(cubecl::Device::Wgpu(WgpuDevice::new(kind).on(API)).to_id());
        let all = || Ok(KINDS.into_iter().flat_map(of_kind).map(cubecl::Device::from_id).collect());
        caught("wgpu", all).unwrap_or_default()
    })
}

/// burn's name for an adapter.
pub(super) fn locate(index: usize) -> Result<cubecl::Device> {
    let adapters = adapters();
    if let Some(device) = adapters.get(index) {
        return Ok(device.clone());
    }
    let here = format!("the burn backend has no device wgpu:{index}");
    Err(match adapters.len() {
        0 => Error::user(format!("{here}: no graphics driver was found"))
            .help("install the GPU's driver for Vulkan (or mesa-vulkan-drivers and libvulkan1)"),
        count => Error::user(format!("{here}: this machine has {count}, from wgpu:0 on")).help("use wgpu:0"),
    })
}
