
# `cargo xtask …`, beside what completes cargo's own commands.
function __fish_palimpsest_after_cargo
    set -l words (commandline -opc)
    complete --do-complete "palimpsest $words[3..] "(commandline -ct)
end
complete -c cargo -n '__fish_seen_subcommand_from xtask' -f -a '(__fish_palimpsest_after_cargo)'
