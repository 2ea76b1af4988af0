//! The first page of help, and the name that the program goes by.

use clap::Command;

/// The commands by what they are for; clap has one list for all.
const GROUPS: [(&str, &[&str]); 4] = [
    ("Daily work", &["pretrain", "resume", "eval", "analyse", "compare", "bench", "export", "report"]),
    ("What there is", &["run", "study", "recipe", "part", "data", "backend", "collective", "plugin"]),
    ("This machine", &["completions", "man"]),
    (CHECKOUT, &["dist", "check", "test"]),
];

/// The commands that work on this repository: no packed program has them.
const CHECKOUT: &str = "For developers of this repository";

/// The name of the driver where it is no `cargo xtask`.
pub(crate) const PACKED: &str = "palimpsest";

/// How this program is called: `cargo xtask`, or the name of its file.
pub(crate) fn program() -> String {
    let path = std::env::current_exe().ok();
    let name = path.as_deref().and_then(std::path::Path::file_stem).map(|name| name.to_string_lossy());
    match name.as_deref() {
        None | Some("xtask") => "cargo xtask".to_owned(),
        Some(name) => name.to_owned(),
    }
}

/// The commands as `program` is called, in groups on the first page.
pub(super) fn dressed(command: Command, program: &str) -> Command {
    let of_checkout = program == "cargo xtask";
    let mut command = called(command, program).bin_name(program);
    for name in
        GROUPS.iter().filter(|(title, _)| *title == CHECKOUT && !of_checkout).flat_map(|(_, names)| *names)
    {
        command = command.mut_subcommand(name, |command| command.hide(true));
    }
    let header = command.get_styles().get_header();
    let literal = command.get_styles().get_literal();
    let mut groups = String::new();
    for (title, names) in GROUPS.iter().filter(|(title, _)| *title != CHECKOUT || of_checkout) {
        groups += &format!("{header}{title}:{header:#}\n");
        for name in *names {
            let about = command.find_subcommand(name).and_then(Command::get_about);
            let about = about.map(ToString::to_string).unwrap_or_default();
            groups += &format!("  {literal}{name:<12}{literal:#} {about}\n");
        }
        groups += "\n";
    }
    let template = format!(
        "{{about}}\n\n{{usage-heading}} {{usage}}\n\n{groups}{header}Options:{header:#}\n{{options}}{{after-help}}"
    );
    command.help_template(template)
}

/// The examples of every command under the program's name.
fn called(mut command: Command, program: &str) -> Command {
    if let Some(examples) = command.get_after_help().map(ToString::to_string) {
        command = command.after_help(examples.replace("cargo xtask", program));
    }
    command.mut_subcommands(|inner| called(inner, program))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli;

    #[test]
    fn the_first_page_has_every_command_once_and_fits_a_screen() {
        let mut command = cli::command("cargo xtask");
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
        let shown = command.get_subcommands().filter(|c| !c.is_hide_set() && c.get_name() != "help");
        let mut shown: Vec<String> = shown.map(|c| c.get_name().to_owned()).collect();
        grouped.sort_unstable();
        shown.sort_unstable();
        assert_eq!(grouped, shown);
        let page = command.render_help().to_string();
        let lines: Vec<&str> = page.lines().collect();
        assert!((24..=40).contains(&lines.len()), "{} lines:\n{page}", lines.len());
        assert!(lines.iter().all(|line| line.chars().count() <= 100), "{page}");
    }

    #[test]
    fn a_packed_program_speaks_of_itself() {
        let mut command = cli::command(PACKED);
        let page = command.render_help().to_string();
        assert!(page.contains("Usage: palimpsest") && !page.contains("cargo xtask"), "{page}");
        assert!(!page.lines().any(|line| line.starts_with("  check ")), "{page}");
        let pretrain = command.find_subcommand("pretrain").expect("a command");
        let examples = pretrain.get_after_help().expect("examples").to_string();
        assert!(examples.contains("palimpsest pretrain recipes/mae-micro.toml"), "{examples}");
    }
}
