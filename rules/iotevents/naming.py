"""Names as manifests take them, made of any text; no two alike."""

from __future__ import annotations

import re

from rules.expression import FUNCTIONS, NATIVE, RESERVED
from rules.lint.names import KEYWORDS
from twins.bound import MACROS

_TAKEN = KEYWORDS | FUNCTIONS | NATIVE | MACROS | set(RESERVED)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def label(text: str) -> str:
    """A Kubernetes label: `AreaModel_2` becomes `area-model-2`."""
    words = re.sub(r"[^a-z0-9]+", "-", _HUMP.sub("-", text).lower())
    return words.strip("-")[:63].strip("-") or "model"


class Names:
    """Gives each thing a name of its own. `title` says which form: that of states, else that of variables."""

    def __init__(self, *, title: bool = False) -> None:
        self._title = title
        self._given: dict[str, str] = {}
        self._taken: set[str] = set() if title else set(_TAKEN)

    def of(self, text: str, *others: str) -> str:
        """The name for `text`; of its forms and those of `others` the first that is free."""
        if text not in self._given:
            forms = [self._form(each) for each in others or (text,)]
            name = next((form for form in forms if form not in self._taken), "") or self._numbered(forms[-1])
            self._taken.add(name)
            self._given[text] = name
        return self._given[text]

    def _form(self, text: str) -> str:
        if self._title:
            return re.sub(r"[^-_.A-Za-z0-9]+", "-", text)[:63].strip("-_.") or "unnamed"
        name = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_")[:63] or "unnamed"
        return f"_{name}"[:63] if name[0].isdigit() else name

    def _numbered(self, form: str) -> str:
        number = 2
        while (name := f"{form[:58]}_{number}") in self._taken:
            number += 1
        return name
