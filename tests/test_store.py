"""What is saved comes back: values, labels and provenance, without pickle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from tests.synthetic import forecast
from theorysim import store


def test_result_comes_back_with_its_labels(tmp_path: Path) -> None:
    result = forecast(notes=["a", 1, None], flag=True, nothing=None, nested={"x": [1.5]})
    loaded = store.load(store.save(result, tmp_path / "a.nc"))
    xr.testing.assert_identical(result, loaded)


def test_floats_come_back_with_their_bits(tmp_path: Path) -> None:
    result = forecast()
    loaded = store.load(store.save(result, tmp_path / "a.nc"))
    assert np.array_equal(loaded["test_loss"].values.view(np.int64), result["test_loss"].values.view(np.int64))


def test_saving_leaves_the_result_alone(tmp_path: Path) -> None:
    result = forecast(notes=[1])
    store.save(result, tmp_path / "a.nc")
    assert result.attrs["notes"] == [1]


def test_broken_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = store.save(forecast(), tmp_path / "a.nc")
    before = path.read_bytes()
    with pytest.raises(TypeError):
        store.save(forecast(bad=object()), path)
    assert path.read_bytes() == before


def test_pickle_is_refused(tmp_path: Path) -> None:
    import pickle

    path = tmp_path / "a.nc"
    path.write_bytes(pickle.dumps({"loss": [1.0]}))
    with pytest.raises(OSError, match="signature"):
        store.load(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.nc"):
        store.load(tmp_path / "none.nc")
