//! Which label map belongs to which image.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use palimpsest_core::{Error, Result};

use crate::formats::image_files::{image_files, regular_files, stem};

/// What follows an image's name in the name of its map, the longest first.
const OF_MAPS: [&str; 14] = [
    "_gtFine_labelTrainIds",
    "_gtCoarse_labelIds",
    "_gtFine_labelIds",
    "_segmentation",
    "_labelTrainIds",
    "_annotation",
    "_labelIds",
    "_labels",
    "_label",
    "_masks",
    "_mask",
    "-mask",
    "_seg",
    "_gt",
];
/// What follows the name that both share in that of an image.
const OF_IMAGES: [&str; 5] = ["_leftImg8bit", "_image", "_img", "_rgb", "_sat"];

/// Pairs of image and map, and how many maps have no image.
pub(super) struct Pairs {
    pub(super) pairs: Vec<[PathBuf; 2]>,
    pub(super) strays: usize,
}

fn without<'a>(name: &'a str, endings: &[&str]) -> Option<&'a str> {
    endings.iter().find_map(|ending| name.strip_suffix(ending)).filter(|name| !name.is_empty())
}

/// Every image below `images`, in the order of their paths, with the PNG of its name in the same place below
/// `labels`: of just its name, or with `suffix` after it; without one, with one of the usual ones.
///
/// # Errors
/// An image without a map, or with several.
pub(super) fn pair(images: &Path, labels: &Path, suffix: &str) -> Result<Pairs> {
    let files = image_files(images)?;
    let mut maps = if labels.is_dir() { regular_files(labels)? } else { vec![] };
    maps.retain(|map| map.extension().is_some_and(|e| e.eq_ignore_ascii_case("png")));
    let folder = |root: &Path, file: &Path| {
        file.parent().and_then(|parent| parent.strip_prefix(root).ok()).unwrap_or(Path::new("")).to_owned()
    };
    // By folder and name; in the second without the usual endings.
    let mut exact: HashMap<(PathBuf, String), &PathBuf> = HashMap::new();
    let mut shortened: HashMap<(PathBuf, String), Vec<&PathBuf>> = HashMap::new();
    for map in &maps {
        let name = stem(map);
        if let Some(short) = without(&name, &OF_MAPS) {
            shortened.entry((folder(labels, map), short.to_owned())).or_default().push(map);
        }
        exact.insert((folder(labels, map), name), map);
    }
    let mut pairs = Vec::with_capacity(files.len());
    let mut used = std::collections::HashSet::new();
    for image in files {
        let (place, name) = (folder(images, &image), stem(&image));
        let base = without(&name, &OF_IMAGES).unwrap_or(&name).to_owned();
        let named = |name: String| exact.get(&(place.clone(), name)).copied();
        let expected = labels.join(&place).join(format!("{name}{suffix}.png"));
        let found = if suffix.is_empty() {
            let usual = |name: &String| shortened.get(&(place.clone(), name.clone())).cloned();
            match (named(name.clone()).or_else(|| named(base.clone())), usual(&name).or_else(|| usual(&base)))
            {
                (Some(map), _) => Some(map),
                (None, Some(all)) if all.len() > 1 => {
                    let names: Vec<String> = all.iter().map(|map| map.display().to_string()).collect();
                    return Err(Error::user(format!("`{}` may be its label map", names.join("` and `")))
                        .at(image.display())
                        .help("set data.reader.suffix to what follows the image's name in the map's"));
                }
                (None, found) => found.and_then(|all| all.first().copied()),
            }
        } else {
            named(format!("{name}{suffix}")).or_else(|| named(format!("{base}{suffix}")))
        };
        let map = found.cloned().unwrap_or(expected);
        used.insert(map.clone());
        pairs.push([image, map]);
    }
    let strays = maps.iter().filter(|map| !used.contains(*map)).count();
    Ok(Pairs { pairs, strays })
}
