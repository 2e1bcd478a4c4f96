"""Published vectors and real data, from the folder DOXEDGE_PUBLISHED (default: `shared` beside this repository)."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def published() -> Path:
    """The folder with `data/` and `vectors/`; skips aloud where it is not."""
    folder = Path(os.environ.get("DOXEDGE_PUBLISHED") or REPOSITORY.parent / "shared")
    if not folder.is_dir():
        pytest.skip(f"no published data at {folder}; name their folder in DOXEDGE_PUBLISHED")
    return folder
