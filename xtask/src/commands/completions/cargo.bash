
# `cargo xtask …`, beside what completes cargo's own commands.
declare -F _completion_loader >/dev/null && _completion_loader cargo 2>/dev/null
_palimpsest_other=$(complete -p cargo 2>/dev/null | sed -n 's/.* -F \([^ ]*\) .*/\1/p')
[[ $_palimpsest_other == _palimpsest_cargo ]] && _palimpsest_other=
_palimpsest_cargo() {
    if [[ ${COMP_WORDS[1]} == xtask && $COMP_CWORD -gt 1 ]]; then
        local words=(palimpsest "${COMP_WORDS[@]:2}") previous=$3
        [[ $COMP_CWORD -eq 2 ]] && previous=palimpsest
        local COMP_WORDS=("${words[@]}") COMP_CWORD=$((COMP_CWORD - 1))
        _palimpsest palimpsest "$2" "$previous"
    elif [[ -n $_palimpsest_other ]]; then
        "$_palimpsest_other" "$@"
    fi
}
complete -F _palimpsest_cargo -o bashdefault -o default cargo
