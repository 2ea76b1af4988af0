//! data.yaml, with which Ultralytics' sets say where their parts are and what their classes are called.

use std::path::{Path, PathBuf};

use palimpsest_core::{Error, Result};

use crate::formats::image_files::{folder_of, image_files, is_hidden, regular_files};
use crate::formats::shown::shown;
use crate::formats::text_lines::TextLines;
use crate::formats::yaml::{Yaml, read_yaml};
use crate::part_names::NamedParts;

/// A set's description.
pub(super) struct Description {
    file: PathBuf,
    yaml: Yaml,
}

impl Description {
    /// The description in a folder, or the file itself; none where there is none.
    ///
    /// # Errors
    /// A file that is no YAML, several of which none is called data.yaml.
    pub(super) fn find(path: &Path) -> Result<Option<Self>> {
        let is_yaml = |file: &Path| {
            file.extension().is_some_and(|e| e.eq_ignore_ascii_case("yaml") || e.eq_ignore_ascii_case("yml"))
        };
        let read = |file: PathBuf| read_yaml(&file).map(|yaml| Self { file, yaml });
        if path.is_file() {
            return if is_yaml(path) { read(path.to_owned()).map(Some) } else { Ok(None) };
        }
        let usual = ["data.yaml", "dataset.yaml", "data.yml"].map(|name| path.join(name));
        if let Some(file) = usual.into_iter().find(|file| file.is_file()) {
            return read(file).map(Some);
        }
        let Ok(entries) = std::fs::read_dir(path) else { return Ok(None) };
        let mut files: Vec<PathBuf> = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|file| is_yaml(file) && file.is_file() && !file.file_name().is_some_and(is_hidden))
            .collect();
        files.sort_unstable();
        // Settings of other programs may lie beside it.
        let mut all = files.into_iter().filter_map(|file| read(file).ok()).collect::<Vec<_>>();
        all.retain(|it| it.yaml.get("names").is_some() || it.yaml.get("nc").is_some());
        if let [_, _, ..] = all[..] {
            let names: Vec<String> = all.iter().map(|it| it.file.display().to_string()).collect();
            return Err(Error::user(format!("`{}` each describe the data", names.join("`, `")))
                .at(path.display())
                .help("give one of them as data.path"));
        }
        Ok(all.pop())
    }

    fn wrong(&self, what: impl Into<String>, help: &str) -> Error {
        Error::user(what).at(self.file.display()).help(help)
    }

    /// The names of the classes; none where it tells none.
    ///
    /// # Errors
    /// Names that can't be read, numbers that are missing, another number than `nc`.
    pub(super) fn classes(&self) -> Result<Option<Vec<String>>> {
        let count = match self.yaml.get("nc").map(|nc| nc.text().and_then(|text| text.parse::<usize>().ok()))
        {
            Some(None) => return Err(self.wrong("`nc` is no number", "write nc: NUMBER")),
            count => count.flatten(),
        };
        let names: Vec<String> = match (self.yaml.get("names"), count) {
            (None, None) => return Ok(None),
            // As Ultralytics calls them.
            (None, Some(count)) if count <= 1_000_000 => (0..count).map(|i| format!("class_{i}")).collect(),
            (Some(Yaml::Map(pairs)), _) => {
                let help = "number the classes from 0 without a gap";
                let mut names = vec![None; pairs.len()];
                for (key, value) in pairs {
                    let number = key.parse::<usize>().ok().filter(|number| *number < pairs.len());
                    let (Some(number), Some(name)) = (number, value.text()) else {
                        return Err(self.wrong(
                            format!("`names` has the entry `{}` of {}", shown(key), pairs.len()),
                            help,
                        ));
                    };
                    names[number] = Some(name.to_owned());
                }
                let gap = || self.wrong("`names` has a gap", help);
                names.into_iter().collect::<Option<_>>().ok_or_else(gap)?
            }
            (Some(list), _) => list
                .texts()
                .filter(|texts| !texts.is_empty())
                .ok_or_else(|| self.wrong("no list `names` that can be read", "write names: [a, b]"))?
                .into_iter()
                .map(str::to_owned)
                .collect(),
            _ => return Err(self.wrong("`nc` is too large", "write the number of the classes")),
        };
        match count {
            Some(count) if count != names.len() => {
                let what = format!("`nc` is {count}, and `names` has {}", names.len());
                Err(self.wrong(what, "make both the same"))
            }
            _ => Ok(Some(names)),
        }
    }

    /// Numbers behind the box on each line of a set of poses: `kpt_shape`'s product.
    ///
    /// # Errors
    /// Another form.
    pub(super) fn keypoint_numbers(&self) -> Result<Option<usize>> {
        let Some(shape) = self.yaml.get("kpt_shape") else { return Ok(None) };
        let sides: Option<Vec<usize>> =
            shape.texts().and_then(|texts| texts.iter().map(|text| text.trim().parse().ok()).collect());
        match sides.as_deref() {
            Some(&[points, values @ (2 | 3)]) if (1..=10_000).contains(&points) => Ok(Some(points * values)),
            _ => Err(self.wrong("`kpt_shape` can't be read", "write kpt_shape: [POINTS, 2 or 3]")),
        }
    }

    /// The parts that it names.
    pub(super) fn parts(&self) -> NamedParts {
        let named = self.yaml.keys().filter(|key| self.yaml.get(key).is_some());
        NamedParts::of(named.map(str::to_owned))
    }

    /// The images of a part: of a folder, of a list of paths, or of several of them.
    ///
    /// # Errors
    /// What it names isn't there.
    pub(super) fn images(&self, part: &str) -> Result<Vec<PathBuf>> {
        let wrong =
            || self.wrong(format!("`{part}` can't be read"), "name a folder, a list of paths, or several");
        let entries = self.yaml.get(part).and_then(Yaml::texts).ok_or_else(wrong)?;
        let mut images = vec![];
        for entry in entries {
            let path = self.resolve(entry).ok_or_else(|| {
                self.wrong(
                    format!("`{part}` names `{}`, and there is no such file or folder", shown(entry)),
                    "give paths relative to this file",
                )
            })?;
            if path.is_dir() {
                images.extend(image_files(&path)?);
                continue;
            }
            for line in TextLines::read(&path)?.lines() {
                let beside = folder_of(&path).join(line.text);
                let image = if beside.is_file() { Some(beside) } else { self.resolve(line.text) };
                images.push(image.filter(|image| image.is_file()).ok_or_else(|| {
                    line.at(Error::user(format!("no such file `{}`", line.text))
                        .help("give paths relative to the list or to the YAML file"))
                })?);
            }
        }
        Ok(images)
    }

    /// A path as Ultralytics takes it: below `path`, which is below the file's folder; the set may also have been
    /// moved since, and Roboflow's begin with a `../` too many.
    fn resolve(&self, entry: &str) -> Option<PathBuf> {
        let own = folder_of(&self.file);
        let mut bases = vec![];
        if let Some(path) = self.yaml.get("path").and_then(Yaml::text) {
            bases.push(own.join(path));
            bases.extend(Path::new(path).file_name().map(|name| own.join(name)));
        }
        bases.push(own.to_owned());
        let short = entry.strip_prefix("../").unwrap_or(entry);
        let paths = bases.iter().flat_map(|base| [base.join(entry), base.join(short)]);
        paths.into_iter().find(|path| path.exists())
    }
}

/// Text files in folders of labels that belong to none of the images.
pub(super) fn stray_labels(labels: &[PathBuf]) -> usize {
    let known: std::collections::HashSet<&Path> = labels.iter().map(|label| &**label).collect();
    let folders: std::collections::BTreeSet<&Path> =
        labels.iter().filter_map(|label| label.parent()).collect();
    let texts = folders.into_iter().filter(|folder| folder.is_dir()).flat_map(|folder| {
        // Of this folder alone: others have their own images.
        let files = regular_files(folder).unwrap_or_default();
        files.into_iter().filter(move |file| file.parent() == Some(folder))
    });
    texts
        .filter(|file| file.extension().is_some_and(|e| e == "txt") && !known.contains(&**file))
        .filter(|file| {
            !["classes.txt", "train.txt", "val.txt", "test.txt"].iter().any(|list| file.ends_with(list))
        })
        .count()
}
