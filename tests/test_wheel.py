"""What a user installs, installed: the wheel works away from the checkout, with derivations and figures."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TINY = """
[data]
name = "digits"
train = 40
test = 20

[network]
depth = 1
width = 32
activation = "relu"
parameterization = "ntk"

[optimizer]
name = "gd"
learning_rate = 0.5

[training]
steps = 5
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the bin folder of a fresh environment with the wheel, and with the packages of this one."""
    folder = tmp_path_factory.mktemp("fresh")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(pip, check=True)
    place = subprocess.run(
        [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    # a path line adds the folder only: the editable installation of the checkout stays out
    (Path(place) / "here.pth").write_text("\n".join(p for p in sys.path if p.endswith("site-packages")))
    return folder / "bin"


def run(installed: Path, folder: Path, *arguments: str) -> str:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environment["NUMBA_CACHE_DIR"] = str(installed.parent / "cache")
    done = subprocess.run(
        [str(installed / "theorysim"), *arguments],
        check=False, capture_output=True, text=True, cwd=folder, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_wheel_holds_one_top_level_package(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"theorysim", wheel.name.split("-py3")[0] + ".dist-info"}
    assert "theorysim/default.toml" in names
    assert "theorysim/py.typed" in names
    for folder in ("derivations", "figures"):
        shipped = {name.rsplit("/", 1)[1] for name in names if name.startswith(f"theorysim/_shipped/{folder}/")}
        assert shipped == {path.name for path in (ROOT / folder).glob("*.py")}


def test_package_is_the_installed_one(installed: Path, tmp_path: Path) -> None:
    code = "import theorysim; print(theorysim.__file__)"
    shown = subprocess.run([str(installed / "python"), "-c", code], check=True, capture_output=True, text=True,
                           cwd=tmp_path)  # fmt: skip
    assert shown.stdout.startswith(str(installed.parent))


def test_derivations_come_along(installed: Path, tmp_path: Path) -> None:
    assert "dual_erf." in run(installed, tmp_path, "derive")
    name = next(line for line in run(installed, tmp_path, "derive").splitlines() if line.startswith("dual_erf."))
    assert "verdict: proved" in run(installed, tmp_path, "derive", name)


def test_figures_come_along(installed: Path, tmp_path: Path) -> None:
    shown = run(installed, tmp_path, "figure")
    for path in (ROOT / "figures").glob("*.py"):
        if "def draw(" in path.read_text():
            assert path.stem in shown


def test_help_is_there(installed: Path, tmp_path: Path) -> None:
    assert "--seed" in run(installed, tmp_path, "predict", "--help")


def test_predicts(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(TINY)
    shown = run(installed, tmp_path, "predict", "tiny.toml", "--seed", "1")
    assert "±" in shown and "kernels.mlp" in shown
    assert (tmp_path / "tiny-forecast.nc").is_file()
    assert (tmp_path / "tiny-forecast.svg").is_file()
