//! Shards that are compressed. They are refused, all of them with one command that unpacks them: a set without them would
//! be another one, and nobody would know.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use palimpsest_core::Error;
use palimpsest_core::shell::quoted;

use super::name_of;
use crate::formats::image_files::folder_of;

/// Endings of compressed files, and what unpacks such a file in its place.
const PROGRAMS: [(&str, &str); 4] =
    [("gz", "gzip -d"), ("zst", "zstd -d --rm"), ("xz", "xz -d"), ("bz2", "bzip2 -d")];
/// What stands for `.tar` and one of them.
const SHORT: [(&str, &str); 4] = [("tgz", "gz"), ("tzst", "zst"), ("txz", "xz"), ("tbz2", "bz2")];

/// Folders that a command names one by one.
const NAMED: usize = 3;

/// How a shard is compressed, as its name tells.
struct Packed {
    /// The end of its name, as it is written: `.tar.gz`.
    end: String,
    /// Its name when it is unpacked.
    unpacked: PathBuf,
    program: &'static str,
}

impl Packed {
    /// None of a file that is no shard of this ending, or isn't compressed.
    fn of(file: &Path, ending: &str) -> Option<Self> {
        let name = name_of(file);
        let (stem, last) = name.rsplit_once('.')?;
        let program = |wanted: &str| {
            PROGRAMS.iter().find(|(end, _)| end.eq_ignore_ascii_case(wanted)).map(|(_, program)| *program)
        };
        if let Some(program) = program(last) {
            let (_, inner) = stem.rsplit_once('.').filter(|(_, inner)| inner.eq_ignore_ascii_case(ending))?;
            return Some(Self {
                end: format!(".{inner}.{last}"),
                unpacked: file.with_file_name(stem),
                program,
            });
        }
        let (_, long) =
            SHORT.iter().find(|(short, _)| ending == "tar" && short.eq_ignore_ascii_case(last))?;
        let unpacked = file.with_file_name(format!("{stem}.tar"));
        Some(Self { end: format!(".{last}"), unpacked, program: program(long)? })
    }
}

/// Whether a file is a compressed shard of the ending, by its name.
pub(crate) fn is_compressed(file: &Path, ending: &str) -> bool {
    Packed::of(file, ending).is_some()
}

/// What a compressed shard is called once it is unpacked.
pub(super) fn unpacked(file: &Path, ending: &str) -> Option<PathBuf> {
    Packed::of(file, ending).map(|packed| packed.unpacked)
}

/// The compressed file that lies where a shard is looked for.
pub(super) fn instead_of(shard: &Path) -> Option<PathBuf> {
    let name = name_of(shard);
    let packed = PROGRAMS.iter().map(|(end, _)| shard.with_file_name(format!("{name}.{end}")));
    packed.into_iter().find(|file| file.is_file())
}

/// Which of a set's shards are compressed.
pub(super) struct Refused<'a> {
    /// Those.
    pub(super) files: &'a [PathBuf],
    /// The ending of shards.
    pub(super) ending: &'a str,
    /// How many there are with the others.
    pub(super) of: usize,
    /// The folder that all lie below.
    pub(super) root: &'a Path,
    /// What is to be done then, where unpacking isn't all.
    pub(super) then: Option<String>,
}

impl Refused<'_> {
    /// The error, with one command for all.
    pub(super) fn error(self) -> Error {
        let Self { files, ending, of, root, then } = self;
        let (what, place) = match files {
            [only] => ("the shard is compressed, so no sample in it".to_owned(), only.display()),
            [first, ..] => (
                format!(
                    "{} of {of} shards are compressed (the first is {}), so no sample in them",
                    files.len(),
                    name_of(first)
                ),
                root.display(),
            ),
            [] => return Error::failure("no shard is compressed"),
        };
        let mut help = format!("unpack once what is compressed: {}", command(files, ending, root));
        if let Some(then) = then {
            help.push_str(&format!("; then {then}"));
        } else if of > files.len() {
            help.push_str("; what is none of the set belongs into another folder");
        }
        Error::user(format!("{what} can be read without all before it")).at(place).help(help)
    }
}

/// The command that unpacks the compressed shards of all these folders.
fn command(files: &[PathBuf], ending: &str, root: &Path) -> String {
    let packed = |file: &PathBuf| Packed::of(file, ending).map(|packed| (packed.program, packed.end));
    let kinds: BTreeSet<(&str, String)> = files.iter().filter_map(packed).collect();
    let of_kind = |(program, end): &(&str, String)| {
        let of = |file: &&PathBuf| packed(file).is_some_and(|(own, of)| own == *program && of == *end);
        let folders: BTreeSet<&Path> = files.iter().filter(of).map(|file| folder_of(file)).collect();
        if folders.len() > NAMED {
            return format!("find {} -name '*{end}' -exec {program} {{}} +", quoted(&root.to_string_lossy()));
        }
        let all = folders.iter().map(|folder| format!(" {}/*{end}", quoted(&folder.to_string_lossy())));
        format!("{program}{}", all.collect::<String>())
    };
    kinds.iter().map(of_kind).collect::<Vec<_>>().join(" && ")
}

/// The error of a compressed shard whose name doesn't tell it, as its first bytes do: the program that unpacks it wants
/// another name. The command goes through all of the folder, and leaves those that aren't compressed as they are.
pub(crate) fn renamed(file: &Path, program: &str) -> Error {
    let folder = quoted(&folder_of(file).to_string_lossy());
    let ending = file.extension().unwrap_or_default().to_string_lossy();
    Error::user("the shard is compressed, so no sample in it can be read without all before it")
        .at(file.display())
        .help(format!(
            "unpack it once, with others like it: for f in {folder}/*.{ending}; do mv \"$f\" \"$f.packed\" && {program} -dcf \
             \"$f.packed\" > \"$f\" && rm \"$f.packed\"; done"
        ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(files: &[&str], ending: &str) -> String {
        let files: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
        command(&files, ending, Path::new("w"))
    }

    #[test]
    fn one_command_unpacks_all() {
        assert_eq!(told(&["w/train-0.tar.gz", "w/test-0.tar.gz"], "tar"), "gzip -d w/*.tar.gz");
        assert_eq!(
            told(&["a b/0.tgz", "w/0.tar.zst"], "tar"),
            "gzip -d 'a b'/*.tgz && zstd -d --rm w/*.tar.zst"
        );
        assert_eq!(told(&["0.parquet.xz"], "parquet"), "xz -d ./*.parquet.xz");
        let many = ["w/a/0.tar.gz", "w/b/0.tar.gz", "w/c/0.tar.gz", "w/d/0.tar.gz"];
        assert_eq!(told(&many, "tar"), "find w -name '*.tar.gz' -exec gzip -d {} +");
    }

    #[test]
    fn names_tell_what_is_compressed() {
        let of = |file: &str, ending: &str| {
            unpacked(Path::new(file), ending).map(|path| path.display().to_string())
        };
        assert_eq!(of("w/a.tar.gz", "tar").as_deref(), Some("w/a.tar"));
        assert_eq!(of("w/a.TGZ", "tar").as_deref(), Some("w/a.tar"));
        for (file, ending) in
            [("w/a.tar", "tar"), ("w/a.json.gz", "tar"), ("w/a.tar.gz", "parquet"), ("gz", "tar")]
        {
            assert_eq!(of(file, ending), None, "{file}");
        }
    }
}
