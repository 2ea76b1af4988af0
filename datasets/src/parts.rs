//! Both parts of data as they are used, and the line that tells what was opened.

use std::sync::Arc;

use palimpsest_core::Result;
use palimpsest_core::data::{Dataset, Split};
use palimpsest_core::error::listed;
use palimpsest_core::head::counted;

use crate::class_agreement::{Relabel, agreed};
use crate::pipeline::tiff_pages::page_note;
use crate::reader::Opened;
use crate::spec::DataSpec;

/// Both parts of data.
pub struct Parts<D: ?Sized = dyn Dataset> {
    /// What is trained on.
    pub train: Arc<D>,
    /// What is evaluated on.
    pub test: Arc<D>,
    /// What the user may want to know, one sentence each: first what was opened.
    pub notes: Vec<String>,
}

/// A part, and what of it the recipe doesn't use.
pub(crate) struct UsedPart<D: ?Sized = dyn Dataset> {
    pub(crate) opened: Opened<D>,
    pub(crate) left_out: LeftOut,
}

/// What a choice of classes leaves out of a part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LeftOut {
    pub(crate) classes: usize,
    /// With those without a class.
    pub(crate) images: usize,
    pub(crate) unlabelled: usize,
}

impl<D: ?Sized> From<Opened<D>> for UsedPart<D> {
    fn from(opened: Opened<D>) -> Self {
        Self { opened, left_out: LeftOut::default() }
    }
}

impl UsedPart {
    /// The same images, where there are no others to test on.
    pub(crate) fn shown_as_test(&self, note: String) -> Self {
        let opened = Opened::new(self.opened.dataset.clone()).part("the same").notes([note]);
        Self { opened, left_out: self.left_out }
    }
}

impl<D: ?Sized + Relabel> Parts<D> {
    /// # Errors
    /// Parts that don't agree on their classes.
    pub(crate) fn of(spec: &DataSpec, train: UsedPart<D>, test: UsedPart<D>) -> Result<Self> {
        let opening = opening_line(spec, &train, &test);
        let (train, test) = (train.opened, test.opened);
        let pages = page_note(spec, [&*train.dataset, &*test.dataset]);
        let (dataset, note) = agreed(&*train.dataset, test.dataset)?;
        let mut notes = vec![opening];
        for more in train.notes.into_iter().chain(test.notes).chain(note).chain(pages) {
            if !notes.contains(&more) {
                notes.push(more);
            }
        }
        Ok(Self { train: train.dataset, test: dataset, notes })
    }
}

/// Which reader found which parts and classes where: what shows at a glance that data aren't read as meant.
fn opening_line<D: ?Sized + Dataset>(spec: &DataSpec, train: &UsedPart<D>, test: &UsedPart<D>) -> String {
    let path = spec.path.as_ref().map_or_else(String::new, |path| format!(" at {}", path.display()));
    let part = |UsedPart { opened, left_out }: &UsedPart<D>, split: Split| {
        let name = if opened.part.is_empty() { split.to_string() } else { opened.part.clone() };
        let images = of_all(opened.dataset.len(), left_out.images, "image", "images");
        match left_out.unlabelled {
            0 => format!("{name} ({images})"),
            unlabelled => format!("{name} ({images}; {unlabelled} without a class left out)"),
        }
    };
    let classes = train.opened.dataset.classes();
    let classes = match classes.len() {
        0 => "no classes".to_owned(),
        count => {
            format!("{}: {}", of_all(count, train.left_out.classes, "class", "classes"), listed(classes))
        }
    };
    format!(
        "data `{}`{path}: trained on {}, measured on {}; {classes}",
        spec.name,
        part(train, Split::Train),
        part(test, Split::Test)
    )
}

/// `40 images`, or `40 of 100 images` where some are left out.
fn of_all(used: usize, left_out: usize, one: &str, many: &str) -> String {
    match left_out {
        0 => counted(used, one, many),
        _ => format!("{used} of {}", counted(used + left_out, one, many)),
    }
}
