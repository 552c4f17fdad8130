"""Parameters that `mlflow run` has logged: the text that was given, quoted for a shell."""

from __future__ import annotations

import re
import shlex

from mlflow.utils.string_utils import mslex_quote


def unquoted(logged: str) -> str:
    """The text that a logged parameter stands for: itself, unless quoting made it.

    Either system's way, as a study may be read elsewhere than it was recorded.
    """
    try:
        (text,) = shlex.split(logged)
    except ValueError:  # none or several, or quotes without an end
        text = logged
    if shlex.quote(text) == logged:
        return text
    # cmd.exe's escapes, where there are any, then those of a C program's arguments
    for inner in (logged, re.sub(r"\^(.)", r"\1", logged)):
        body = inner
        if len(inner) > 1 and inner[0] == inner[-1] == '"':
            body = re.sub(r'(\\+)(?="|$)', lambda m: m[1][: len(m[1]) // 2], inner[1:-1])
        if body != logged and mslex_quote(body) == logged:
            return body
    return logged
