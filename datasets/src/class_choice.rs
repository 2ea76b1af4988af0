//! `data.classes`: of a part, the images of some classes alone.

use std::sync::Arc;

use palimpsest_core::data::Split;
use palimpsest_core::error::unknown_name;
use palimpsest_core::{Error, Result};

use crate::class_agreement::Relabel;
use crate::parts::{LeftOut, UsedPart};
use crate::reader::Opened;
use crate::split::Subset;

/// The images of a part whose class is `chosen`, in their order there, labelled in the order of that list: so a label
/// means the same in both parts and in every set that the list is used with, and a confusion matrix has its rows in
/// the order that was asked for. The test part may have fewer of the classes, as it may without a choice.
///
/// # Errors
/// Data that have no classes, or none for each image; a class that the training part hasn't, or that names two;
/// no image that is left.
pub(crate) fn of_classes(opened: Opened, split: Split, chosen: &[String]) -> Result<UsedPart> {
    let part = &*opened.dataset;
    let known = part.classes();
    if known.is_empty() {
        return Err(Error::user(format!("the {split} part has no classes to choose from"))
            .help("leave the key out, or choose data with a class for each image"));
    }
    let all: Vec<Option<u32>> = (0..part.len()).map(|index| part.label(index)).collect();
    if all.iter().all(Option::is_none) {
        return Err(Error::user(format!(
            "no image of the {split} part has a class of its own (those with objects or label maps have none)"
        ))
        .help("leave the key out, or choose data with a class for each image"));
    }
    // By its label in the part; of the test part it may be none.
    let mut names = vec![];
    let mut label_of = vec![None; known.len()];
    for name in chosen {
        let mut labels = (0..known.len()).filter(|&label| known[label] == *name);
        match (labels.next(), labels.next(), split) {
            (Some(label), None, _) => {
                label_of[label] = Some(names.len() as u32);
                names.push(name.clone());
            }
            (None, _, Split::Test) => {}
            (None, _, Split::Train) => {
                // What is listed already wasn't meant.
                let others = known.iter().filter(|other| !chosen.contains(other));
                return Err(unknown_name("class", name, others.map(String::as_str)));
            }
            (Some(_), Some(_), _) => {
                return Err(Error::user(format!("`{name}` names two classes of the {split} part"))
                    .help("give each class a name of its own"));
            }
        }
    }
    let new_label = |label: &Option<u32>| label.and_then(|label| label_of[label as usize]);
    let taken: Vec<u32> =
        (0..).zip(&all).filter(|(_, label)| new_label(label).is_some()).map(|(i, _)| i).collect();
    if taken.is_empty() {
        return Err(Error::user(format!("the {split} part has no image of these classes"))
            .help("choose classes that both parts have"));
    }
    let left_out = LeftOut {
        classes: known.len() - names.len(),
        images: all.len() - taken.len(),
        unlabelled: all.iter().filter(|label| label.is_none()).count(),
    };
    // Labels of other classes are never asked for.
    let labels = label_of.into_iter().map(Option::unwrap_or_default).collect();
    let Opened { dataset, notes, part } = opened;
    let dataset = Arc::new(Subset::new(dataset.relabelled(names, labels), taken));
    Ok(UsedPart { opened: Opened { dataset, notes, part }, left_out })
}
