//! A recipe's key that was written as an option, `--epochs 3`: the key that is meant.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use palimpsest_core::recipe::keys_called;

use crate::{output, session};

/// The commands that take `KEY=VALUE`.
const TAKE_KEYS: [&str; 8] = ["pretrain", "resume", "eval", "compare", "bench", "recipe", "data", "show"];

/// Tells of a mistake on the command line, and ends the process as clap would.
pub(super) fn exit(mut error: clap::Error) -> ! {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if error.kind() == ErrorKind::UnknownArgument
        && words.first().is_some_and(|command| TAKE_KEYS.contains(&command.as_str()))
        && let Some(ContextValue::String(option)) = error.get(ContextKind::InvalidArg)
        && let Some(hint) = meant(option, &words)
    {
        // An option that is spelt alike is another one.
        error.remove(ContextKind::SuggestedArg);
        error.remove(ContextKind::Suggested);
        drop(error.print());
        output::note(&format!("\n  {hint}"));
        std::process::exit(2);
    }
    error.exit()
}

/// What would do what an unknown option seems to ask for.
fn meant(option: &str, words: &[String]) -> Option<String> {
    let name = option.strip_prefix("--")?.replace('-', "_");
    let recipe = session::recipe(None, &[]).ok()?;
    let top =
        ["name", "seed", "precision", "init_from"].into_iter().filter(|key| *key == name).map(str::to_owned);
    let keys: Vec<String> = top.chain(keys_called(&name, recipe.table())).take(3).collect();
    // `--epochs=3` or `--epochs 3`.
    let given = words.iter().find_map(|word| word.strip_prefix(option)?.strip_prefix('='));
    let next = words.iter().position(|word| word == option).and_then(|at| words.get(at + 1));
    let value =
        given.or(next.map(String::as_str).filter(|next| !next.starts_with('-') && !next.contains('=')));
    let keys: Vec<String> = keys.iter().map(|key| format!("{key}={}", value.unwrap_or("VALUE"))).collect();
    (!keys.is_empty())
        .then(|| format!("tip: a recipe's key is written without dashes: {}", keys.join(" or ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_that_is_a_key_names_it() {
        let told = |line: &str| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let option = words.iter().find(|word| word.starts_with("--")).expect("an option").clone();
            let option = option.split('=').next().map(str::to_owned).unwrap_or(option);
            meant(&option, &words)
        };
        let tip = |keys: &str| Some(format!("tip: a recipe's key is written without dashes: {keys}"));
        assert_eq!(told("pretrain --epochs 3"), tip("train.epochs=3"));
        assert_eq!(told("pretrain a.toml --epochs=4"), tip("train.epochs=4"));
        assert_eq!(told("pretrain --lr 1e-3 seed=1"), tip("optimizer.lr=1e-3"));
        assert_eq!(told("pretrain --batch"), tip("train.batch=VALUE"));
        assert_eq!(told("pretrain --seed 4"), tip("seed=4"));
        assert_eq!(told("pretrain --image-size 32"), tip("data.image_size=32"));
        assert_eq!(told("pretrain --zebra 32"), None);
    }
}
