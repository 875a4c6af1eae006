"""Where an answer comes from: what every Dataset carries in its attributes."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from theorysim.problem.training import Training


def provenance(
    training: Training, *, theory: str, seed: int, device: str = "cpu", sources: str = ""
) -> dict[str, str | int]:
    """Return problem (JSON), theory, version, seed, device and sources as attributes."""
    return {
        "problem": training.to_json(),
        "theory": theory,
        "version": package_version(),
        "seed": seed,
        "device": device,
        "sources": sources,
    }


def package_version() -> str:
    try:
        return version("theorysim")
    except PackageNotFoundError:  # a checkout that is not installed
        return "unknown"
