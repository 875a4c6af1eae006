"""Saving and loading of results: NetCDF files with their provenance, never pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

_STRUCTURED = "json:"  # marks an attribute that NetCDF cannot hold as it is


def save(result: xr.Dataset, path: str | Path) -> Path:
    """Write a result to a NetCDF file.

    Numbers and text stay as they are; any other attribute (lists, mappings, None, booleans) is kept as JSON.

    Parameters
    ----------
    result : xarray.Dataset
        A limit, a finite answer, a forecast or a comparison.
    path : str or Path
        File to write, replaced if it exists. A broken write leaves the old file.

    Raises
    ------
    TypeError
        If an attribute cannot be written as JSON.
    """
    path = Path(path)
    plain = result.copy()
    plain.attrs = {name: _plain(value) for name, value in result.attrs.items()}
    for name, variable in result.variables.items():
        plain[name].attrs = {key: _plain(value) for key, value in variable.attrs.items()}
    part = path.with_name(path.name + ".part")
    plain.to_netcdf(part, engine="h5netcdf")
    part.replace(path)
    return path


def load(path: str | Path) -> xr.Dataset:
    """Read a result written by `save`, fully into memory.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    OSError
        If the file is not NetCDF.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    with xr.open_dataset(path, engine="h5netcdf") as opened:
        result = opened.load()
    result.attrs = {name: _restored(value) for name, value in result.attrs.items()}
    for variable in result.variables.values():
        variable.attrs = {key: _restored(value) for key, value in variable.attrs.items()}
    return result


def _plain(value: Any) -> Any:
    if isinstance(value, (str, int, float, np.number)) and not isinstance(value, bool):
        return value
    return _STRUCTURED + json.dumps(value, sort_keys=True)


def _restored(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_STRUCTURED):
        return json.loads(value.removeprefix(_STRUCTURED))
    return value.item() if isinstance(value, np.generic) else value
