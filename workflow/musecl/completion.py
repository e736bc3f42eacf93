"""Shell completion: a script that knows the commands, the cities and the options."""

import re
from collections.abc import Mapping, Sequence

from musecl.runtime.errors import ParameterError

PLAIN = r"[\w-]+"
SCRIPT = """_musecl() {
    local word=${COMP_WORDS[COMP_CWORD]} words
    if [ "$COMP_CWORD" -eq 1 ]; then
        words="%(commands)s"
    else
        case ${COMP_WORDS[1]} in
%(cases)s
        esac
    fi
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o bashdefault -o default -F _musecl musecl
"""
SHELLS = {"bash": "", "zsh": "autoload -U +X bashcompinit && bashcompinit\n"}


def completion(shell: str, commands: Mapping[str, Sequence[str]]) -> str:
    """Write the script of a shell.

    Parameters
    ----------
    shell : str
        `bash` or `zsh`.
    commands : mapping of str to sequence of str
        By command, the words that may follow it; one that a shell could take for more than a word
        is left out.

    Raises
    ------
    ParameterError
        There is no script for the shell.
    """
    if shell not in SHELLS:
        raise ParameterError(f"no completion for {shell!r}; there is one for {', '.join(SHELLS)}")
    plain = {
        command: [word for word in words if re.fullmatch(PLAIN, word)]
        for command, words in commands.items()
        if re.fullmatch(PLAIN, command)
    }
    cases = "\n".join(
        f'            {command}) words="{" ".join(words)}" ;;'
        for command, words in plain.items()
        if words
    )
    return SHELLS[shell] + SCRIPT % {"commands": " ".join(plain), "cases": cases}
