"""The parser of every noun and verb: help that shows examples, and mistakes that are told where they were made."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override


SPOKEN_MAX: Final = 500
"""As at the operators' door (`gateway/operator_door`)."""
_DIGITS_MAX: Final = 18


class Parser(argparse.ArgumentParser):
    """Its subparsers are of the same kind."""

    def __init__(self, *, examples: Sequence[str] = (), **settings: Any) -> None:
        """`examples` are whole command lines, one a line, after which a comment may stand; help ends with them."""
        settings.setdefault("formatter_class", _Formatter)
        if examples:
            shown = "\n".join(
                ["examples" if len(examples) > 1 else "example", *(f"  {one}" for one in examples)]
            )
            settings["epilog"] = f"{settings.get('epilog') or ''}\n\n{shown}".lstrip("\n")
        super().__init__(**settings)
        self.examples = tuple(examples)

    @override
    def parse_known_args(  # type: ignore[override]  # the overloads of the stubs differ in the namespace only
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """A word that nobody knows is told with the usage of the verb that it was given to, not with the program's."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"{' '.join(unknown)} is not known here; {self.prog} --help says what is")
        return found, unknown


def whole_number(*, least: int = 0, what: str) -> Callable[[str], int]:
    """The type of an argument: a whole number from `least` on; the error says what was wanted."""

    def number(text: str) -> int:
        try:
            found = int(text)
        except ValueError:
            found = least - 1
        if found < least or len(text) > _DIGITS_MAX:
            raise argparse.ArgumentTypeError(f"`{text}` is no {what}")
        return found

    return number


def spoken(text: str) -> str:
    """The type of what a person says of himself and of his reasons: some printable signs."""
    said = text.strip()
    if not said or len(said) > SPOKEN_MAX or not said.isprintable():
        raise argparse.ArgumentTypeError(f"say 1 to {SPOKEN_MAX} printable signs")
    return said


class _Formatter(argparse.HelpFormatter):
    """Folds paragraphs to the terminal; lines that are indented stay as they are, with what stands above them."""

    @override
    def _fill_text(self, text: str, width: int, indent: str) -> str:
        fold = super()._fill_text
        return "\n\n".join(
            paragraph if "\n  " in paragraph else fold(paragraph, width, indent)
            for paragraph in text.strip("\n").split("\n\n")
        )
