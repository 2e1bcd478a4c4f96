"""The tree that the house tests look at."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGE: Final = ROOT / "doxedge"
PURE_ROOMS: Final = (
    "quantity.py",
    "commitments",
    "signing",
    "measurement",
    "contracts",
    "consensus",
    "ledger",
    "analysers",
    "evidence",
)
EXACT_ROOMS: Final = ("quantity.py", "contracts", "ledger")
_SKIPPED: Final = {
    ".git",
    ".venv",
    ".uv",
    "__pycache__",
    ".mypy_cache",
    ".ruff_cache",
    ".hypothesis",
    "dist",
    "build",
}


@cache
def python_files(*rooms: str) -> tuple[Path, ...]:
    """All Python files of these rooms of doxedge, or of the whole repository when none is named."""
    tops = [PACKAGE / room for room in rooms] if rooms else [ROOT]
    found = [path for top in tops for path in ([top] if top.is_file() else sorted(top.rglob("*.py")))]
    return tuple(path for path in found if not _SKIPPED & set(path.parts))


@cache
def text_files() -> tuple[Path, ...]:
    """Every text file that belongs to the product."""
    endings = {".py", ".md", ".toml", ".service", ".conf", ".sql", ".j2", ".css", ".json", ""}
    found = (path for path in sorted(ROOT.rglob("*")) if path.is_file() and path.suffix in endings)
    return tuple(path for path in found if not _SKIPPED & set(path.parts) and path.name != "uv.lock")


@cache
def syntax(path: Path) -> ast.Module:
    """The syntax tree of one file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def where(path: Path, node: ast.AST) -> str:
    """`file:line` for a message."""
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"
