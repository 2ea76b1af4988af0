//! The cases of a reference, and how figures are compared.

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde_json::Value;

/// What the script printed: cases by subject.
pub(crate) struct Reference {
    subjects: serde_json::Map<String, Value>,
    read: RefCell<BTreeSet<String>>,
}

impl Reference {
    pub(crate) fn parse(text: &str) -> Self {
        let Ok(Value::Object(subjects)) = serde_json::from_str(text) else {
            panic!("no JSON object:\n{text}")
        };
        Self { subjects, read: RefCell::default() }
    }

    pub(crate) fn cases(&self, subject: &str) -> impl Iterator<Item = Case<'_>> {
        self.read.borrow_mut().insert(subject.to_owned());
        let cases = self.subjects[subject].as_array().expect("a list of cases");
        assert!(!cases.is_empty(), "{subject} has no cases");
        cases.iter().map(Case)
    }

    /// So that no subject is forgotten here.
    pub(crate) fn all_were_read(&self) {
        let read = self.read.borrow();
        for (subject, cases) in &self.subjects {
            assert!(!cases.is_array() || read.contains(subject), "{subject} is compared with nothing");
        }
    }
}

/// One case: inputs and figures by name.
#[derive(Clone, Copy)]
pub(crate) struct Case<'a>(&'a Value);

impl Case<'_> {
    pub(crate) fn has(self, key: &str) -> bool {
        self.0.get(key).is_some()
    }

    pub(crate) fn number(self, key: &str) -> f64 {
        self.0[key].as_f64().unwrap_or_else(|| panic!("{key} of {}", self.0))
    }

    pub(crate) fn whole(self, key: &str) -> u64 {
        self.0[key].as_u64().unwrap_or_else(|| panic!("{key} of {}", self.0))
    }

    pub(crate) fn list(self, key: &str) -> Vec<f64> {
        numbers(&self.0[key])
    }

    pub(crate) fn lists(self, key: &str) -> Vec<Vec<f64>> {
        self.0[key].as_array().expect("a list of lists").iter().map(numbers).collect()
    }

    /// `got` is the figure `key`, to 1e-9 of it or of 1, whichever is more.
    #[track_caller]
    pub(crate) fn equal(self, key: &str, got: f64) {
        self.near(key, got, 1e-9);
    }

    /// `got` is the figure `key`, to `tolerance` of it or of 1, whichever is more.
    #[track_caller]
    pub(crate) fn near(self, key: &str, got: f64, tolerance: f64) {
        let want = self.number(key);
        // Not the other way round: NaN is no match.
        assert!(
            (got - want).abs() <= tolerance * want.abs().max(1.0),
            "{key}: {got}, not {want}, of {}",
            self.0
        );
    }

    /// `got` is the list `key`, to 1e-9.
    #[track_caller]
    pub(crate) fn all_equal(self, key: &str, got: &[f64]) {
        let want = self.list(key);
        assert_eq!(got.len(), want.len(), "{key} of {}", self.0);
        for (got, want) in got.iter().zip(&want) {
            assert!((got - want).abs() <= 1e-9, "{key}: {got}, not {want}, of {}", self.0);
        }
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|number| number.as_f64().expect("a number")).collect()
}
