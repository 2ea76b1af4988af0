//! What targets see of clean images with the eyes of a teacher.

use super::{Model, StepInputs};
use crate::Result;
use crate::backend::NoGrad;
use crate::params::Params;
use crate::teacher::{FrozenTeacher, TeacherSource, tokens};

impl Model {
    /// A prepared step with a teacher: the tokens of the clean images under other parameters of this model (an
    /// average of its weights) that a target [needs](crate::target::TargetNeeds). No gradient flows through them, and no
    /// path is dropped.
    ///
    /// # Errors
    /// The backend's failure.
    pub fn with_teacher<'a>(&self, mut prepared: StepInputs<'a>, teacher: &Params) -> Result<StepInputs<'a>> {
        let device = prepared.patches.device();
        let _quiet = NoGrad::new(&*device.backend);
        let own = self.needs.target.teacher.iter().filter(|layer| layer.source == TeacherSource::Average);
        let found = tokens(&*self.encoder, teacher, &prepared.patches, own)?;
        prepared.teacher.get_or_insert_default().extend(found);
        Ok(prepared)
    }

    /// The same with an encoder that was read from a file.
    ///
    /// # Errors
    /// The backend's failure.
    pub fn with_frozen<'a>(
        &self,
        mut prepared: StepInputs<'a>,
        teacher: &FrozenTeacher,
    ) -> Result<StepInputs<'a>> {
        let device = prepared.patches.device();
        let _quiet = NoGrad::new(&*device.backend);
        let found = teacher.tokens(&prepared.patches, self.needs.target.teacher.iter())?;
        prepared.teacher.get_or_insert_default().extend(found);
        Ok(prepared)
    }
}
