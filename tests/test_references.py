"""Every source that a theory cites is in the table, and the table is well formed."""

from __future__ import annotations

import re

import pytest

from theorysim.references import REFERENCES, bibtex, cited
from theorysim.theories import ALL, theory


@pytest.mark.parametrize("name", ALL)
def test_every_cited_source_is_known(name: str) -> None:
    keys = cited(theory(name).__doc__ or "")
    assert keys
    assert set(keys) <= set(REFERENCES)


def test_cited_keys_are_found_with_and_without_equation_numbers() -> None:
    assert cited("see [Jacot2018]; [Lee2019, eq. 8], [Jacot2018, p. 3] but not [1] or [step]") == (
        "Jacot2018",
        "Lee2019",
    )


def test_keys_are_first_author_and_year() -> None:
    for key, row in REFERENCES.items():
        family = row.authors.split(" and ")[0].split()[-1].replace("-", "")
        assert re.fullmatch(f"{family}{row.year}[a-z]?", key)


def test_arxiv_numbers_are_numbers() -> None:
    assert all(re.fullmatch(r"\d{4}\.\d{4,5}|", row.arxiv) for row in REFERENCES.values())


def test_bibtex_is_balanced() -> None:
    text = bibtex(tuple(REFERENCES))
    assert text.count("{") == text.count("}")
    assert text.count("\n@") + 1 == len(REFERENCES)
