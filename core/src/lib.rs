//! Palimpsest: self-supervised pre-training of vision encoders by corruption and restoration.
//!
//! This crate holds what a recipe is made of. It names no tensor library, no data format and no
//! user interface: backends, data sets, heads and the driver depend on it, never the reverse.
//! To read it, begin with [`model`], which walks a step of a masked autoencoder with shapes.
//!
//! A masked autoencoder, pre-trained on made-up images with any [`Backend`]:
//!
//! ```
//! use std::sync::Arc;
//!
//! use palimpsest_core::data::Batch;
//! use palimpsest_core::recipe::Recipe;
//! use palimpsest_core::train::Trainer;
//! use palimpsest_core::{Backend, Device, DeviceHandle, Result};
//!
//! const RECIPE: &str = r#"
//! preset = "mae"
//! train = { batch = 32, steps = 100 }
//! data = { image_size = 32, channels = 1, mean = [0.5], std = [0.25] }
//! encoder = { size = "micro", patch = 4 }
//! "#;
//!
//! fn pretrain(backend: Arc<dyn Backend>) -> Result<()> {
//!     let recipe = Recipe::parse("example", RECIPE, &[])?;
//!     let device = DeviceHandle { backend, id: Device::Cpu };
//!     let mut trainer = Trainer::new(recipe, device, 10)?; // ten steps are an epoch
//!     while trainer.step_count() < trainer.total_steps {
//!         let batch = Batch {
//!             pixels: vec![0.5; 32 * 32 * 32].into(), // normalised, [B, C, H, W]
//!             shape: [32, 1, 32, 32],
//!             labels: vec![-1; 32],
//!             indices: (0..32).collect(),
//!             first_sample: 32 * trainer.step_count(), // what masks and noise are keyed by
//!         };
//!         let report = trainer.train_step(&batch, false)?;
//!         println!("step {} loss {:.4}", report.step, report.loss());
//!     }
//!     trainer.checkpoint()?.write("mae.safetensors".as_ref())
//! }
//! # let _ = pretrain;
//! # Recipe::parse("example", RECIPE, &[]).unwrap();
//! ```

pub mod backend;
pub mod collective;
pub mod corruption;
pub mod data;
pub mod draws;
pub mod encoder;
pub mod error;
pub mod finetune;
pub mod fourier;
pub mod geometry;
pub mod graphs;
pub mod head;
pub mod interop;
pub mod kept_open;
pub mod layer;
pub mod model;
pub mod objective;
pub mod params;
pub mod plugin;
pub mod pooling;
pub mod positioned;
pub mod random;
pub mod recipe;
pub mod registry;
pub mod restoration;
mod sealed;
pub mod settings;
pub mod shell;
pub mod stored;
pub mod target;
pub mod teacher;
pub mod tensor;
pub mod train;

pub use backend::{Backend, Device};
pub use error::{Error, ErrorKind, Result};
pub use inventory;
pub use tensor::{DType, DeviceHandle, HostTensor, Shape, Tensor};
