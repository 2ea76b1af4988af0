//! Contact sheets of targets, and of predictions beside them.

use crate::{DetectionData, LabelMap, Object, SegmentationData};
use palimpsest_core::data::Image8;
use palimpsest_core::{Error, Result};

use crate::colour::shown_as_rgb;
use crate::contact_sheet::{ContactSheet, Tile};
use crate::overlay::{over_labels, over_objects};

/// Objects are drawn on images of about this many pixels, so that names are legible.
const SIDE: usize = 256;

/// Images with label maps over them: each row an image, its truth and, where given, a prediction.
///
/// # Errors
/// A map of another size than its image.
pub fn label_sheet(rows: &[(Image8, LabelMap, Option<LabelMap>)]) -> Result<ContactSheet> {
    let predicted = rows.iter().any(|(_, _, predicted)| predicted.is_some());
    let captions: &[&str] = if predicted { &["image", "truth", "predicted"] } else { &["image", "truth"] };
    let mut sheet = ContactSheet::new(captions.len(), captions.iter().copied());
    for (image, truth, predicted) in rows {
        let mut row = vec![Tile::from(image.clone()), Tile::from(over_labels(image, truth, 0.6)?)];
        if let Some(predicted) = predicted {
            row.push(over_labels(image, predicted, 0.6)?.into());
        }
        sheet.push_row(row);
    }
    Ok(sheet)
}

/// An image with its objects, and what was found with scores.
pub type ObjectRow = (Image8, Vec<Object>, Option<Vec<(Object, f64)>>);

/// Images with objects over them: each row an image, its truth and, where given, what was found.
///
/// # Errors
/// A mask of another size than its image, a class without a name.
pub fn object_sheet(rows: &[ObjectRow], classes: &[String]) -> Result<ContactSheet> {
    let predicted = rows.iter().any(|(_, _, found)| found.is_some());
    let captions: &[&str] = if predicted { &["image", "truth", "found"] } else { &["image", "truth"] };
    let name = |object: &Object| {
        classes.get(object.class as usize).cloned().ok_or_else(|| {
            Error::user(format!("class {} of {}", object.class, classes.len())).help("name every class")
        })
    };
    let mut sheet = ContactSheet::new(captions.len(), captions.iter().copied());
    for (image, truth, found) in rows {
        let enlarge = SIDE.div_ceil(image.width.max(image.height).max(1));
        let names = truth.iter().map(name).collect::<Result<Vec<_>>>()?;
        let mut row = vec![
            Tile::from(over_objects(image, &[], &[], enlarge)?),
            Tile::from(over_objects(image, truth, &names, enlarge)?),
        ];
        if let Some(found) = found {
            let names = found.iter().map(|(object, score)| Ok(format!("{} {score:.2}", name(object)?)));
            let names = names.collect::<Result<Vec<_>>>()?;
            let objects: Vec<Object> = found.iter().map(|(object, _)| object.clone()).collect();
            row.push(over_objects(image, &objects, &names, enlarge)?.into());
        }
        sheet.push_row(row);
    }
    Ok(sheet)
}

/// The first `count` samples, three channels of them, of a data set with label maps.
///
/// # Errors
/// A sample that can't be loaded.
pub fn segmentation_sheet(
    data: &dyn SegmentationData,
    count: usize,
    shown: [usize; 3],
) -> Result<ContactSheet> {
    let row = |i| data.sample(i).map(|(image, map)| (shown_as_rgb(&image, shown), map, None));
    let rows = (0..count.min(data.len())).map(row);
    label_sheet(&rows.collect::<Result<Vec<_>>>()?)
}

/// The first `count` samples, three channels of them, of a data set with objects.
///
/// # Errors
/// A sample that can't be loaded.
pub fn detection_sheet(data: &dyn DetectionData, count: usize, shown: [usize; 3]) -> Result<ContactSheet> {
    let row = |i| data.sample(i).map(|(image, objects)| (shown_as_rgb(&image, shown), objects, None));
    let rows = (0..count.min(data.len())).map(row);
    object_sheet(&rows.collect::<Result<Vec<_>>>()?, data.classes())
}
