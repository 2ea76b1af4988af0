//! Both ends of the C interface to dynamic libraries: the host's, which loads them, and the served
//! one, which a Rust library exports with a macro. The structs are those of `palimpsest-abi`.

mod abort;
mod call;
mod failure;
mod identity;
mod info;
mod installed;
mod library;
mod loaded_backend;
mod loaded_collective;
mod loaded_graphs;
mod loaded_strategy;
mod manifest;
mod operations;
mod parameter;
mod served_backend;
mod served_graphs;
mod strategy_library;
mod wire;

pub use abort::report_aborts;
pub use call::{Call, InCall};
pub use identity::{PluginIdentity, check_id};
pub use installed::{Installed, discover, manifests, manifests_of};
pub use library::Library;
pub use loaded_backend::LoadedBackend;
pub use loaded_collective::{CollectiveLibrary, LoadedCollective};
pub use loaded_strategy::LoadedStrategy;
pub use manifest::{LibraryFile, MANIFEST_SUFFIX, Manifest, platform, sha256};
pub use operations::Operations;
#[doc(hidden)]
pub use palimpsest_abi as abi;
pub use parameter::{Parameter, Setting};
pub use served_backend::{ServedBackend, backend_table};
pub use strategy_library::StrategyLibrary;
pub(crate) use strategy_library::injection_point;
