//! What tokens are restored to. A target is made apart from the loss that compares with it.

pub mod kind;

use crate::data::Batch;
use crate::geometry::Geometry;
use crate::settings::{Field, Section};
use crate::tensor::Tensor;
use crate::{Result, registry};

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
    pub noise: Option<&'a Tensor>,
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

    /// Whether it needs noise on the pixels.
    fn needs_pixel_noise(&self) -> bool {
        false
    }

    /// Targets [B, L, width]; no gradient flows through them.
    ///
    /// # Errors
    /// The backend's failure.
    fn generate(&self, input: &TargetInput<'_>) -> Result<Tensor>;

    /// A prediction of this target as pixels, for pictures; `None` where it is no picture.
    ///
    /// # Errors
    /// The backend's failure.
    fn to_pixels(&self, prediction: &Tensor, input: &TargetInput<'_>) -> Result<Option<Tensor>> {
        let _ = (prediction, input);
        Ok(None)
    }
}

/// A built-in target in the registry.
pub struct TargetEntry {
    /// The `kind` in recipes.
    pub name: &'static str,
    /// One line for people.
    pub summary: &'static str,
    /// The fields of its table.
    pub fields: fn() -> Vec<Field>,
    /// Builds it from its table.
    pub build: fn(&Section) -> Result<Box<dyn Target>>,
}

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
    let entry = registry::find::<TargetEntry>("target", &kind).map_err(|e| e.at(section.place("kind")))?;
    let settings = section.table().to_string().replace('\n', ", ");
    Ok((format!("{kind} {settings}").trim().to_owned(), (entry.build)(&section)?))
}
