"""The completion script, as bash runs it."""

import subprocess

import pytest

from musecl.completion import completion
from musecl.runtime.errors import ParameterError

COMMANDS = {"fuse": ["nyc", "synth"], "timing": [], "embed": ["--model", "--images"]}
ASK = 'COMP_WORDS=({words}); COMP_CWORD={place}; _musecl; echo "${{COMPREPLY[@]}}"'


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("musecl ''", "fuse timing embed"),
        ("musecl fu", "fuse"),
        ("musecl fuse n", "nyc"),
        ("musecl embed --i", "--images"),
        ("musecl timing ''", ""),
    ],
)
def test_bash_completes(typed, offered):
    ask = ASK.format(words=typed, place=len(typed.split()) - 1)
    done = subprocess.run(
        ["bash", "-c", f"{completion('bash', COMMANDS)}\n{ask}"], capture_output=True, text=True
    )
    assert (done.stdout.strip(), done.stderr) == (offered, "")


def test_zsh_takes_bash_completion_and_no_other_shell_is_known():
    assert completion("zsh", COMMANDS).startswith("autoload -U +X bashcompinit && bashcompinit\n")
    with pytest.raises(ParameterError, match="no completion for 'fish'"):
        completion("fish", COMMANDS)


def test_no_name_of_a_city_is_run_as_code() -> None:
    """The script is sourced: params.yaml of somebody else must not run anything."""
    for word in ('a"; touch SIGN; "', "$(touch SIGN)", "`touch SIGN`", "a\ntouch SIGN"):
        script = completion("bash", {"fuse": ["nyc", word], word: ["nyc"]})
        assert "SIGN" not in script
        assert 'fuse) words="nyc"' in script
