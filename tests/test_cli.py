"""The command line: what is printed, what is written, and one line for every error."""

from __future__ import annotations

import importlib
import json
import sys
import warnings
from pathlib import Path

import pytest
import xarray as xr

from tests import synthetic
from theorysim import store
from theorysim.cli import main
from theorysim.errors import NotConverged, ProblemError, StabilityWarning

PROBLEM = """
[data]
name = "digits"
train = 60
test = 30
inputs = "unit"
labels = "one-hot-centred"

[network]
depth = 1
width = 64
activation = "relu"
parameterization = "ntk"

[optimizer]
name = "sgd"
learning_rate = 2.0
batch = 10

[training]
steps = 20
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text(PROBLEM)
    return tmp_path


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """Answer by formula instead of by theory, and note what was asked."""
    calls: list[dict[str, object]] = []

    def forecast(training: object, *, seed: int, progress: object) -> xr.Dataset:
        calls.append({"training": training, "seed": seed, "progress": progress})
        return synthetic.forecast()

    def train(training: object, *, replicas: int, seed: int, progress: object) -> xr.Dataset:
        calls.append({"replicas": replicas, "seed": seed})
        return synthetic.trained(replicas)

    monkeypatch.setattr(importlib.import_module("theorysim.forecast"), "forecast", forecast)
    monkeypatch.setattr(importlib.import_module("theorysim.finite.training"), "train", train)
    return calls


def fail(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def forecast(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(importlib.import_module("theorysim.forecast"), "forecast", forecast)


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    shown = capsys.readouterr()
    assert shown.err.count("\n") == 1
    assert "Traceback" not in shown.err
    return shown.err.strip()


def test_predict_prints_the_table_and_saves(capsys: pytest.CaptureFixture[str], folder: Path, asked: list) -> None:
    assert main(["predict", "mine.toml", "--seed", "1"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("1-layer relu MLP, width 64")
    assert "test accuracy" in shown and "±" in shown
    assert "kernels.mlp   used: predicted kernel change 3.1 %" in shown
    assert "largest stable learning rate 19" in shown
    assert "saved  mine-forecast.nc  mine-forecast.svg   again: theorysim predict mine.toml --seed 1" in shown
    assert asked[0]["seed"] == 1
    xr.testing.assert_identical(store.load(folder / "mine-forecast.nc"), synthetic.forecast())
    assert (folder / "mine-forecast.svg").read_text().startswith("<?xml")


def test_predict_without_a_file_answers_the_shipped_problem(asked: list, folder: Path) -> None:
    assert main(["predict"]) == 0
    training = asked[0]["training"]
    assert training.data.name == "digits"  # type: ignore[attr-defined]
    assert (folder / "digits-forecast.nc").is_file()


def test_output_names_the_files(asked: list, folder: Path) -> None:
    assert main(["predict", "mine.toml", "--output", "other"]) == 0
    assert (folder / "other-forecast.svg").is_file()


def test_json_is_all_that_is_printed(capsys: pytest.CaptureFixture[str], asked: list) -> None:
    assert main(["predict", "mine.toml", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["curves"]["test_loss"]["value"][0] == pytest.approx(0.451)


def test_no_progress_without_a_terminal(asked: list) -> None:
    main(["predict", "mine.toml"])
    assert asked[0]["progress"] is None


def test_compare_trains_and_prints_scores(capsys: pytest.CaptureFixture[str], folder: Path, asked: list) -> None:
    assert main(["compare", "mine.toml", "--replicas", "5", "--seed", "3"]) == 0
    shown = capsys.readouterr().out
    assert asked[1] == {"replicas": 5, "seed": 4}
    assert "rms z" in shown
    assert "again: theorysim compare mine.toml --seed 3 --replicas 5" in shown
    assert store.load(folder / "mine-trained.nc").sizes["replica"] == 5
    assert (folder / "mine-comparison.svg").is_file()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["predikt"], 'Did you mean "predict"?'),
        (["predict", "--sed", "1"], "Did you mean --seed?"),
        (["predict", "--seed", "one"], "--seed"),
        (["predict", "none.toml"], "none.toml"),
        (["predict", "."], "toml"),
        (["figure", "rocket"], "learning_curves"),
        (["cite", "Nobody1900"], "kernels.mlp"),
        (["derive", "nothing.at_all"], "nothing.at_all"),
    ],
)
def test_wrong_use_is_one_line_and_code_2(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    line = one_line(capsys)
    assert line.startswith("error: ")
    assert said in line


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"relu"', '"rleu"', 'did you mean "relu"'),
        ("width = 64", "width = 0", "width"),
        ("learning_rate = 2.0", "learning_rate = -1.0", "learning_rate"),
        ("steps = 20", "stpes = 20", "steps"),
        ("[data]", "[data", "TOML"),
    ],
)
def test_wrong_problem_names_the_field(
    old: str, new: str, said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "mine.toml").write_text(PROBLEM.replace(old, new))
    assert main(["predict", "mine.toml"]) == 2
    assert said in one_line(capsys)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ProblemError("network: too\nnarrow"), 2, "network: too narrow"),
        (NotConverged("march", 7, 0.5, "a smaller step"), 3, "no convergence after 7 iterations"),
        (FloatingPointError("train_loss: not finite"), 3, "not finite"),
        (PermissionError(13, "Permission denied", "mine-forecast.nc"), 2, "mine-forecast.nc: Permission denied"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (ZeroDivisionError("ours"), 1, "a defect"),
    ],
)
def test_failure_has_its_code_and_one_line(
    error: BaseException, code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fail(monkeypatch, error)
    assert main(["predict", "mine.toml"]) == code
    assert said in one_line(capsys)


def test_unwritable_output_is_one_line(asked: list, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "mine.toml", "--output", "no/such/place"]) == 2
    assert "no/such/place" in one_line(capsys)


def test_warning_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def forecast(*_: object, **__: object) -> xr.Dataset:
        warnings.warn("learning rate 5 is above\nthe largest stable one", StabilityWarning, stacklevel=1)
        return synthetic.forecast()

    monkeypatch.setattr(importlib.import_module("theorysim.forecast"), "forecast", forecast)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert main(["predict", "mine.toml"]) == 0
    assert one_line(capsys) == "warning: learning rate 5 is above the largest stable one"


def test_lists_are_complete(capsys: pytest.CaptureFixture[str]) -> None:
    from theorysim.theories import ALL

    assert main(["theories"]) == 0
    shown = capsys.readouterr().out
    for name in ALL:
        assert name in shown
    for word in ("Limit", "Valid", "Error", "Sources", "Observables"):
        assert word in shown
    assert main(["figure"]) == 0
    assert "learning_curves" in capsys.readouterr().out
    assert main(["derive"]) == 0
    assert "dual_abrelu" in capsys.readouterr().out


def test_derivation_is_printed_with_its_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["derive", "dual_erf"]) == 0
    assert "proved" in capsys.readouterr().out
    assert main(["derive", "dual_erf", "--latex"]) == 0
    assert "\\" in capsys.readouterr().out


def test_citation_is_bibtex(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cite", "kernels.mlp"]) == 0
    shown = capsys.readouterr().out
    assert "@inproceedings{Jacot2018," in shown
    assert "1806.07572" in shown


def test_doctor_passes_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert "numba" in shown and "cuda device" in shown
    assert "FAIL" not in shown


def test_nothing_asked_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    shown = capsys.readouterr().out
    for verb in ("predict", "compare", "theories", "derive", "figure", "cite", "doctor"):
        assert verb in shown


def test_exit_code_reaches_the_shell(folder: Path) -> None:
    import subprocess

    code = "import sys; from theorysim.cli import main; sys.exit(main(['predict', 'none.toml']))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 2
