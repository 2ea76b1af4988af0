//! The types of cubecl-llvm that cubecl-cuda names, without LLVM: see README.md. With cubecl-cuda's feature
//! `cpp` none of the functions is called.

use cubecl_core::ir::nvidia::SmArch;
use cubecl_core::prelude::KernelDefinition;
use cubecl_server::compiler::CompilationError;
use cubecl_server::kernel::BufferIOAttr;

const WITHOUT: &str = "built without LLVM: cubecl's feature cuda-cpp must be on";

pub mod nvptx {
    //! NVIDIA's assembly language.

    pub mod ptx_version {
        //! Its versions.

        use std::fmt;

        /// A version, of which there is none here.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum PtxVersion {}

        impl PtxVersion {
            /// The newest that a driver takes.
            pub fn for_driver(_: i32) -> Option<Self> {
                None
            }
        }

        impl fmt::Display for PtxVersion {
            fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
                match *self {}
            }
        }
    }
}

pub mod shared {
    //! What all targets have in common.

    pub mod lowered_features {
        //! What LLVM's way leaves out.

        /// What is compiled for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum GpuTarget {
            /// NVIDIA's GPUs.
            Nvptx,
        }

        /// Takes from a device's properties what LLVM's way lacks.
        ///
        /// # Panics
        /// Always.
        pub fn restrict_features(_: &mut cubecl_core::ir::DeviceProperties, _: GpuTarget) {
            panic!("{}", crate::WITHOUT);
        }
    }
}

/// What is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LlvmTarget {
    /// NVIDIA's GPUs.
    Nvptx,
}

/// The compiler.
#[derive(Clone, Debug)]
pub struct PlironCompiler {
    /// What is compiled for.
    pub target: LlvmTarget,
}

/// A compiled kernel.
#[derive(Clone, Debug)]
pub struct NvptxModule {
    /// NVIDIA's assembly.
    pub ptx: Vec<core::ffi::c_char>,
    /// The function's name.
    pub entrypoint: String,
    /// LLVM's own form.
    pub ir: String,
    /// Bytes.
    pub shared_memory_size: usize,
    /// How its buffers are used.
    pub io: Vec<BufferIOAttr>,
}

/// How to compile.
#[derive(Clone, Debug, Default)]
pub struct PlironOptions {
    /// AMD's architecture.
    pub arch: Option<()>,
    /// NVIDIA's architecture.
    pub sm_arch: Option<SmArch>,
    /// The assembly's version.
    pub ptx_version: Option<nvptx::ptx_version::PtxVersion>,
    /// Whether parameters are constants of the grid.
    pub grid_constants: bool,
    /// What else there is in the original.
    pub other: (),
}

/// What comes of compiling.
pub enum PlironArtifact {
    /// A kernel for NVIDIA's GPUs.
    NvptxCode(NvptxModule),
    /// Anything else.
    Other,
}

impl PlironCompiler {
    /// Compiles a kernel.
    ///
    /// # Errors
    /// Always.
    pub fn compile(
        &mut self,
        _: KernelDefinition,
        _: &PlironOptions,
    ) -> Result<PlironArtifact, CompilationError> {
        panic!("{WITHOUT}")
    }

    /// The language's name.
    pub fn lang_tag(&self) -> &'static str {
        "llvm"
    }
}
