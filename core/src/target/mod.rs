//! What tokens are restored to. A target is made apart from the loss that compares with it.
//!
//! A function that returns a `Result` and says no more fails as the backend does.

pub mod kind;
mod needs;

pub use needs::TargetNeeds;

use crate::data::Batch;
use crate::geometry::Geometry;
use crate::registry::{self, Entry};
use crate::settings::Section;
use crate::teacher::{TeacherLayer, TeacherTokens};
use crate::tensor::Tensor;
use crate::{Error, Result};

/// What a target can be made of.
pub struct TargetInput<'a> {
    /// Extents.
    pub geometry: &'a Geometry,
    /// The batch in host memory.
    pub batch: &'a Batch,
    /// Clean patches [B, L, C*p*p].
    pub patches: &'a Tensor,
    /// Patches with the plan's noise on the pixels of every noised token.
    pub noised: Option<&'a Tensor>,
    /// The noise values drawn for the pixels, unit variance, [B, L, C*p*p].
    pub eps: Option<&'a Tensor>,
    /// Tokens [B, P + L, D] of the clean images, as teachers see them; those that [`TargetNeeds::teacher`] asks for.
    pub teacher: Option<&'a TeacherTokens>,
}

impl TargetInput<'_> {
    /// A teacher's tokens [B, P + L, D].
    ///
    /// # Errors
    /// A step without that teacher, or tokens that weren't asked for.
    pub fn teacher(&self, layer: &TeacherLayer) -> Result<&Tensor> {
        self.teacher.and_then(|tokens| tokens.get(layer)).ok_or_else(|| {
            Error::failure(format!("the step has no teacher's tokens after {} blocks", layer.blocks))
        })
    }
}

/// A target generator.
pub trait Target: Send + Sync {
    /// Values per token.
    fn width(&self, geometry: &Geometry) -> usize;

    /// Refuses a geometry that it can't serve, before training starts.
    ///
    /// # Errors
    /// Such a geometry.
    fn check(&self, geometry: &Geometry) -> Result<()> {
        let _ = geometry;
        Ok(())
    }

    /// What it is made of beside the clean images.
    fn needs(&self, geometry: &Geometry) -> TargetNeeds {
        let _ = geometry;
        TargetNeeds::default()
    }

    /// Targets [B, L, width]; no gradient flows through them.
    fn generate(&self, input: &TargetInput<'_>) -> Result<Tensor>;

    /// A prediction of this target as pixels, for images; `None` where it is no image.
    fn to_pixels(&self, prediction: &Tensor, input: &TargetInput<'_>) -> Result<Option<Tensor>> {
        let _ = (prediction, input);
        Ok(None)
    }
}

/// A target in the registry.
pub type TargetEntry = Entry<fn(&Section) -> Result<Box<dyn Target>>>;

inventory::collect!(TargetEntry);

/// The target of a `target = { kind = … }` table; pixels where there is none. Also returns a key
/// that equal targets share.
///
/// # Errors
/// A mistake in the table.
pub fn build(section: &Section) -> Result<(String, Box<dyn Target>)> {
    let (kind, section) = if section.table().is_empty() {
        ("pixels".to_owned(), section.clone())
    } else {
        section.clone().kind()?
    };
    let entry = registry::find::<TargetEntry>("target", &kind).map_err(|e| e.at(section.location("kind")))?;
    let settings = section.table().to_string().replace('\n', ", ");
    Ok((format!("{kind} {settings}").trim().to_owned(), (entry.build)(&section)?))
}
