//! Arguments that several commands share.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueHint};
use palimpsest_core::{Device, Error, Result};

/// The form of a result.
#[derive(Args, Clone, Copy)]
pub(crate) struct JsonArg {
    /// The result as one line of JSON, the last of standard output
    #[arg(long)]
    pub(crate) json: bool,
}

/// What computes.
#[derive(Args, Clone)]
pub(crate) struct DeviceArgs {
    /// The tensor library: burn, tch, dfdx, or the path of a library
    #[arg(long, default_value = "burn", value_hint = ValueHint::AnyPath)]
    pub(crate) backend: String,
    /// cpu, cuda:0 or wgpu:0; of several processes, cuda is the GPU of each one's number on its machine
    #[arg(long, default_value = "cpu")]
    device: Placed,
}

impl DeviceArgs {
    /// The device of one process alone.
    pub(crate) fn device(&self) -> Device {
        self.device.device
    }

    /// The device of a process among several of a machine.
    pub(crate) fn device_of(&self, local_rank: usize) -> Device {
        match self.device {
            Placed { device: Device::Cuda(_), numbered: false } => Device::Cuda(local_rank),
            Placed { device: Device::Wgpu(_), numbered: false } => Device::Wgpu(local_rank),
            Placed { device, .. } => device,
        }
    }
}

/// A device as it was written.
#[derive(Debug, Clone, Copy)]
struct Placed {
    device: Device,
    numbered: bool,
}

impl FromStr for Placed {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(Self { device: text.parse()?, numbered: text.contains(':') })
    }
}

fn at_least_one(text: &str) -> std::result::Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("give a number, 1 or more".to_owned()),
        Ok(number) => Ok(number),
    }
}

/// Several processes that train one model. Started by torchrun, srun or mpirun, a process knows which one it is.
#[derive(Args, Clone, Default)]
#[command(next_help_heading = "Several processes")]
pub(crate) struct RanksArgs {
    /// The engine between them: gloo, mpi, nccl, or the path of a library; by default mpi under mpirun, else gloo
    #[arg(long, value_name = "ENGINE", value_hint = ValueHint::AnyPath)]
    pub(crate) collective: Option<String>,
    /// The number of processes, where no launcher says it
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) ranks: Option<usize>,
    /// The number of this one, from 0
    #[arg(long, value_name = "K")]
    pub(crate) rank: Option<usize>,
    /// Where they meet: a port of rank 0's machine
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) meet: Option<String>,
    /// The network interface, as eth0; by default the one that leads to the meeting place
    #[arg(long, value_name = "NAME")]
    pub(crate) interface: Option<String>,
    /// How long any process may keep the others waiting, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) time_limit: u64,
}

/// A recipe's file and overrides of its keys, in any order.
#[derive(Args, Clone)]
pub(crate) struct RecipeArgs {
    /// A recipe file; without one, the quick-start
    #[arg(value_name = "RECIPE", value_hint = ValueHint::FilePath)]
    first: Option<OsString>,
    /// Overrides of the recipe's keys, as train.epochs=2. A word with = is one where a key is before it (a-z, 0-9,
    /// `_`, `-` and dots); a recipe file of such a name is written ./a=b.toml
    #[arg(value_name = "KEY=VALUE")]
    rest: Vec<OsString>,
    /// An override of any key, one of other letters too; may be given several times, and comes last
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl RecipeArgs {
    /// A file with overrides of it.
    pub(super) fn of(file: String, overrides: Vec<String>) -> Self {
        Self { first: Some(file.into()), rest: vec![], set: overrides }
    }

    /// The recipe's file, if one is given, and the overrides in their order.
    ///
    /// # Errors
    /// Two files.
    pub(crate) fn parts(&self) -> Result<(Option<PathBuf>, Vec<String>)> {
        let (mut file, mut overrides) = (None::<PathBuf>, vec![]);
        for word in self.first.iter().chain(&self.rest) {
            match word.to_str() {
                Some(text) if is_override(text) => overrides.push(text.to_owned()),
                _ => {
                    if let Some(other) = file.replace(PathBuf::from(word)) {
                        return Err(Error::user(format!(
                            "`{}` and `{}` are two recipes",
                            other.display(),
                            word.display()
                        ))
                        .help("give one; an override is written KEY=VALUE, as train.epochs=2"));
                    }
                }
            }
        }
        overrides.extend(self.set.iter().cloned());
        Ok((file, overrides))
    }
}

/// Whether a word is `KEY=VALUE`: what is before its first `=` is `[a-z_][a-z0-9_.-]*`.
pub(crate) fn is_override(word: &str) -> bool {
    let Some((key, _)) = word.split_once('=') else { return false };
    let key = key.trim_end();
    key.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.-".contains(c))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        recipe: RecipeArgs,
    }

    fn parts(words: &[&str]) -> Result<(Option<PathBuf>, Vec<String>)> {
        Line::try_parse_from([&["pretrain"], words].concat()).expect("a command line").recipe.parts()
    }

    #[test]
    fn the_grammar_tells_overrides_from_the_recipe() {
        let none: &[&str] = &[];
        for (words, file, overrides) in [
            (none, None, none),
            (&["a.toml"], Some("a.toml"), none),
            (&["seed=1"], None, &["seed=1"]),
            (&["a.toml", "seed=1", "train.epochs = 2"], Some("a.toml"), &["seed=1", "train.epochs = 2"]),
            (&["seed=1", "a.toml", "noise=false"], Some("a.toml"), &["seed=1", "noise=false"]),
            // A path holds what no key does: / or a capital letter.
            (&["./a=b.toml", "seed=1"], Some("./a=b.toml"), &["seed=1"]),
            (&["/tmp/x=1/a.toml"], Some("/tmp/x=1/a.toml"), none),
            (&["Lr=1.toml"], Some("Lr=1.toml"), none),
            // A value may hold anything, paths and further = included.
            (&["data.path=/photos/a=b"], None, &["data.path=/photos/a=b"]),
            (&["a=b.toml"], None, &["a=b.toml"]),
            (&["--set", "objective.Masked.weight=2", "k=1"], None, &["k=1", "objective.Masked.weight=2"]),
            (&["=1"], Some("=1"), none),
        ] {
            let (found, rest) = parts(words).expect("one recipe at most");
            assert_eq!(found.as_deref(), file.map(std::path::Path::new), "{words:?}");
            assert_eq!(rest, overrides, "{words:?}");
        }
    }

    #[test]
    fn two_recipes_are_both_named() {
        let error = parts(&["a.toml", "seed=1", "b.toml"]).expect_err("two recipes").to_string();
        assert!(error.contains("`a.toml` and `b.toml`") && error.contains("KEY=VALUE"), "{error}");
    }
}
