//! Both parts of a set must mean the same by a class: matched by name, whatever order their files have.

use std::collections::HashMap;
use std::sync::Arc;

use palimpsest_core::data::{Dataset, Encoded, Image};
use palimpsest_core::error::{listed, nearest};
use palimpsest_core::head::{LabelSet, Values};
use palimpsest_core::{Error, Result};
use palimpsest_targets::{
    DetectionData, IGNORE, LabelMap, LabelSetData, Object, SegmentationData, ValueData,
};

/// Data whose labels can be replaced.
pub trait Relabel: Dataset {
    /// The same data under other names of classes; `labels` gives the new label of each.
    fn relabelled(self: Arc<Self>, classes: Vec<String>, labels: Vec<u32>) -> Arc<Self>;
}

/// The test part with the labels of the training part, and what the user may want to know.
///
/// # Errors
/// The test part has a class that the training part hasn't, or the names don't tell classes apart.
pub(crate) fn agreed<D: ?Sized + Relabel>(train: &D, test: Arc<D>) -> Result<(Arc<D>, Option<String>)> {
    let (known, found) = (train.classes(), test.classes());
    if known == found || known.is_empty() || found.is_empty() {
        return Ok((test, None));
    }
    let mut label_of: HashMap<&str, u32> = HashMap::new();
    for (label, name) in known.iter().enumerate() {
        if label_of.insert(name, label as u32).is_some() {
            return Err(different(known, found, format!("`{name}` names two classes of the training part")));
        }
    }
    let mut labels = vec![];
    for name in found {
        match label_of.get(name.as_str()) {
            Some(&label) if labels.contains(&label) => {
                return Err(different(known, found, format!("`{name}` names two classes of the test part")));
            }
            Some(&label) => labels.push(label),
            None => return Err(strange_class(known, found, name)),
        }
    }
    let note = (found.len() < known.len()).then(|| {
        let missing: Vec<&String> = known
            .iter()
            .enumerate()
            .filter(|(i, _)| !labels.contains(&(*i as u32)))
            .map(|(_, n)| n)
            .collect();
        format!("the test part has {} of {} classes, not {}", found.len(), known.len(), listed(&missing))
    });
    let same = labels.iter().enumerate().all(|(i, &label)| i as u32 == label);
    let note = note.or_else(|| {
        (!same)
            .then(|| "the test part lists its classes in another order; they are matched by name".to_owned())
    });
    let classes = known.to_vec();
    Ok((test.relabelled(classes, labels), note))
}

/// The error of a class that only the test part has.
pub(crate) fn strange_class(train: &[String], test: &[String], name: &str) -> Error {
    let near = nearest(name, train.iter().map(String::as_str));
    let near = near.map_or(String::new(), |near| format!(" (did you mean `{near}`?)"));
    different(train, test, format!("the training part has no class `{name}`{near}"))
}

fn different(train: &[String], test: &[String], why: String) -> Error {
    let [train, test] = [train, test].map(listed);
    Error::user(format!("the parts have other classes: {why} (training: {train}; test: {test})"))
        .help("name the classes alike in both parts")
}

struct Relabelled<D: ?Sized> {
    inner: Arc<D>,
    classes: Vec<String>,
    labels: Vec<u32>,
}

impl<D: ?Sized + Dataset> Dataset for Relabelled<D> {
    fn len(&self) -> usize {
        self.inner.len()
    }
    fn classes(&self) -> &[String] {
        &self.classes
    }
    fn label(&self, index: usize) -> Option<u32> {
        self.inner.label(index).map(|label| self.labels[label as usize])
    }
    fn load(&self, index: usize) -> Result<Image> {
        self.inner.load(index)
    }
    fn location(&self, index: usize) -> String {
        self.inner.location(index)
    }
    fn name(&self, index: usize) -> Option<String> {
        self.inner.name(index)
    }
    fn encoded(&self, index: usize) -> Option<Encoded> {
        self.inner.encoded(index)
    }
}

impl SegmentationData for Relabelled<dyn SegmentationData> {
    fn sample(&self, index: usize) -> Result<(Image, LabelMap)> {
        let (image, mut map) = self.inner.sample(index)?;
        for label in map.labels.iter_mut().filter(|label| **label != IGNORE) {
            // Labels of maps are below 255, as are the classes.
            *label = self.labels[usize::from(*label)] as u8;
        }
        Ok((image, map))
    }
}

impl DetectionData for Relabelled<dyn DetectionData> {
    fn sample(&self, index: usize) -> Result<(Image, Vec<Object>)> {
        let (image, mut objects) = self.inner.sample(index)?;
        for object in &mut objects {
            object.class = self.labels[object.class as usize];
        }
        Ok((image, objects))
    }
}

impl Relabel for dyn Dataset {
    fn relabelled(self: Arc<Self>, classes: Vec<String>, labels: Vec<u32>) -> Arc<Self> {
        Arc::new(Relabelled { inner: self, classes, labels })
    }
}

impl Relabel for dyn SegmentationData {
    fn relabelled(self: Arc<Self>, classes: Vec<String>, labels: Vec<u32>) -> Arc<Self> {
        Arc::new(Relabelled { inner: self, classes, labels })
    }
}

impl Relabel for dyn DetectionData {
    fn relabelled(self: Arc<Self>, classes: Vec<String>, labels: Vec<u32>) -> Arc<Self> {
        Arc::new(Relabelled { inner: self, classes, labels })
    }
}

impl LabelSetData for Relabelled<dyn LabelSetData> {
    /// A label that the data don't know is unknown of every image.
    fn labels(&self, index: usize) -> Result<LabelSet> {
        let own = self.inner.labels(index)?;
        let mut set = LabelSet::unknown(self.classes.len());
        own.iter().zip(&self.labels).for_each(|(has, &label)| set.set(label as usize, has));
        Ok(set)
    }
}

impl Relabel for dyn LabelSetData {
    fn relabelled(self: Arc<Self>, classes: Vec<String>, labels: Vec<u32>) -> Arc<Self> {
        Arc::new(Relabelled { inner: self, classes, labels })
    }
}

impl ValueData for Relabelled<dyn ValueData> {
    fn value_names(&self) -> &[String] {
        self.inner.value_names()
    }
    fn values(&self, index: usize) -> Result<Values> {
        self.inner.values(index)
    }
}

impl Relabel for dyn ValueData {
    fn relabelled(self: Arc<Self>, classes: Vec<String>, labels: Vec<u32>) -> Arc<Self> {
        Arc::new(Relabelled { inner: self, classes, labels })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Named(Vec<String>);

    impl Dataset for Named {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn classes(&self) -> &[String] {
            &self.0
        }
        fn label(&self, index: usize) -> Option<u32> {
            Some(index as u32)
        }
        fn load(&self, _: usize) -> Result<Image> {
            Err(Error::user("there are no pixels"))
        }
        fn location(&self, index: usize) -> String {
            index.to_string()
        }
    }

    fn named(names: &[&str]) -> Arc<dyn Dataset> {
        Arc::new(Named(names.iter().map(|&name| name.to_owned()).collect()))
    }

    #[test]
    fn classes_are_matched_by_name() {
        let train = named(&["cat", "dog", "owl"]);
        let (test, note) = agreed(&*train, named(&["owl", "cat", "dog"])).expect("the same names");
        assert_eq!(test.classes(), train.classes());
        assert_eq!([0, 1, 2].map(|i| test.label(i)), [2, 0, 1].map(Some));
        assert!(note.expect("a note").contains("another order"));
        let (test, note) = agreed(&*train, named(&["owl"])).expect("some of the names");
        assert_eq!(test.label(0), Some(2));
        assert_eq!(note.expect("a note"), "the test part has 1 of 3 classes, not cat, dog");
        assert_eq!(agreed(&*train, named(&["cat", "dog", "owl"])).expect("the same").1, None);
        assert_eq!(agreed(&*train, named(&[])).expect("none").1, None);
    }

    #[test]
    fn other_names_are_refused_with_both_lists() {
        let refused = |train: &[&str], test: &[&str]| match agreed(&*named(train), named(test)) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        };
        let text = refused(&["cat", "dog"], &["cat", "fox"]);
        assert!(
            text.contains("no class `fox`") && text.contains("training: cat, dog; test: cat, fox"),
            "{text}"
        );
        assert!(refused(&["a", "a"], &["a"]).contains("`a` names two classes of the training part"));
        assert!(refused(&["a", "b"], &["b", "b"]).contains("`b` names two classes of the test part"));
        let many: Vec<String> = (0..30).map(|i| format!("c{i}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(refused(&many, &["x"]).contains("c9 and 20 more"));
    }
}
