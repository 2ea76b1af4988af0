//! Teachers that stay as they are.

use std::path::Path;

use super::pin::{Described, at_target, encoder_model, teachers_of};
use super::view::View;
use super::{TeacherLayer, TeacherSource, TeacherTokens, tokens};
use crate::geometry::Geometry;
use crate::interop::{Imported, Source, import};
use crate::model::Model;
use crate::params::Params;
use crate::recipe::Recipe;
use crate::tensor::{DType, DeviceHandle, Tensor};
use crate::{Error, Result};

/// An encoder that was read from a file or a run, on a device.
pub struct FrozenTeacher {
    source: TeacherSource,
    model: Model,
    params: Params,
    view: View,
    /// What the user may want to know of its file, one sentence each.
    pub notes: Vec<String>,
}

impl FrozenTeacher {
    /// The teachers that a recipe's targets name, each once. The recipe is one that [`pin`](super::pin()) gave.
    ///
    /// # Errors
    /// A file that is missing or damaged, another one than the recipe was pinned to, or weights that don't fit its encoder.
    pub fn load_all(
        recipe: &Recipe,
        student: &Geometry,
        device: &DeviceHandle,
        [dtype, compute]: [DType; 2],
    ) -> Result<Vec<Self>> {
        let mut loaded: Vec<Self> = vec![];
        for (objective, target) in teachers_of(recipe)? {
            let described = Described::read(&target)?;
            let source = TeacherSource::File(described.path.clone());
            if loaded.iter().any(|teacher| teacher.source == source) {
                continue;
            }
            let key = |e: Error| at_target(e, recipe, &objective);
            loaded.push(Self::load(&described, recipe, student, device, [dtype, compute]).map_err(key)?);
        }
        Ok(loaded)
    }

    fn load(
        described: &Described,
        recipe: &Recipe,
        student: &Geometry,
        device: &DeviceHandle,
        [dtype, compute]: [DType; 2],
    ) -> Result<Self> {
        let Described { path, sha256, encoder, mean, std } = described;
        let source = Source::read(Path::new(path))?;
        if source.sha256 != *sha256 {
            return Err(Error::user(format!(
                "the SHA-256 of the teacher is {}, not {sha256}",
                source.sha256
            ))
            .at(source.path.display())
            .help("give the file that the recipe was written for, or drop sha256 from its target"));
        }
        let (of_teacher, model) = encoder_model(encoder, student)?;
        let initial = model.specs.initial(0)?;
        let Imported { values, notes } = import(&source, &of_teacher, &model, initial)?;
        // Its decoder and heads teach nothing.
        let notes = notes
            .into_iter()
            .filter(|note| !note.contains("passed over") && !note.contains("start from the seed"))
            .map(|note| format!("teacher {path}: {note}"))
            .collect();
        let geometries = [*student, *model.geometry()];
        let view = View::new(geometries, [[&recipe.data.mean, &recipe.data.std], [mean, std]]);
        let params = Params::upload(device, values, dtype, compute)?;
        Ok(Self { source: TeacherSource::File(path.clone()), model, params, view, notes })
    }

    /// Its tokens, in those of these layers that are its own, of clean patches [B, L, C*p*p] of the student's.
    ///
    /// # Errors
    /// The backend's failure.
    pub(crate) fn tokens<'a>(
        &self,
        patches: &Tensor,
        layers: impl Iterator<Item = &'a TeacherLayer>,
    ) -> Result<TeacherTokens> {
        let device = patches.device();
        // A step that is watched calls another backend than the one that the teacher was read with.
        let params = self.params.with_backend(&device.backend);
        let patches = self.view.of(&device, patches)?;
        tokens(&*self.model.encoder, &params, &patches, layers.filter(|layer| layer.source == self.source))
    }
}
