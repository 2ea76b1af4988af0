//! What an operation is given, one after another.

use palimpsest_core::{Error, Result};

use crate::engine::{Engine, Hardware};
use crate::real::Real;
use crate::value::{Discrete, Value, Var};
use crate::{discrete, recording};

/// An operation's inputs.
pub(crate) struct Inputs<H: Hardware> {
    name: &'static str,
    values: std::vec::IntoIter<Value<H>>,
}

impl<H: Hardware> Inputs<H> {
    /// The inputs of the operation `name`.
    pub(crate) fn new(name: &'static str, values: Vec<Value<H>>) -> Self {
        Self { name, values: values.into_iter() }
    }

    /// The next input, whatever it holds.
    pub(crate) fn next(&mut self) -> Option<Value<H>> {
        self.values.next()
    }

    /// The next input, which must hold floats of type `E`.
    pub(crate) fn float<E: Real>(&mut self) -> Result<Var<E, H>>
    where
        H: Engine<E>,
    {
        self.optional()?.ok_or_else(|| Error::failure(format!("{}: an input is missing", self.name)))
    }

    /// The next input, if there is one.
    pub(crate) fn optional<E: Real>(&mut self) -> Result<Option<Var<E, H>>>
    where
        H: Engine<E>,
    {
        let Some(value) = self.next() else { return Ok(None) };
        match E::of_value(value) {
            Some(x) if recording::enabled() => Ok(Some(x)),
            Some(x) => Ok(Some(Var::plain(x.dense))),
            None => Err(Error::failure(format!("{}: needs {} tensors", self.name, E::DTYPE))),
        }
    }

    /// The next input, which must hold integers.
    pub(crate) fn integers(&mut self) -> Result<Discrete<i64>> {
        discrete::integers(self.name, self.next().as_ref())
    }

    /// The next input, which must hold truth values.
    pub(crate) fn bools(&mut self) -> Result<Discrete<bool>> {
        match self.next() {
            Some(Value::Bool(x)) => Ok(x),
            _ => Err(Error::failure(format!("{}: needs truth values", self.name))),
        }
    }

    /// The floats that are left.
    pub(crate) fn floats<E: Real>(&mut self) -> Result<Vec<Var<E, H>>>
    where
        H: Engine<E>,
    {
        let mut all = Vec::new();
        while let Some(x) = self.optional()? {
            all.push(x);
        }
        Ok(all)
    }
}
