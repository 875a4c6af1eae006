"""Games as TOML documents, and the verb that answers them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import theorysim as ts
from theorysim import cli
from theorysim.games import document
from theorysim.games.activations import named

NETWORK = '[game]\nkind = "network"\ntying = "equilibrium"\nunits = "unit"\n'
LAYER = '[[layer]]\nweights = [[0, 2], [-2, 0]]\nbiases = [1, 3]\nactivation = "relu"\n'
SHEARS = '[game]\nkind = "population"\npayoffs = [[0, -1, 1], [1, 0, -1], [-1, 1, 0]]\n'
PLAY = '[simulate]\ndynamics = "replicator"\nstart = [0.5, 0.25, 0.25]\nsteps = 100\nstep = 0.01\n'
PENNIES = '[game]\nkind = "matrix"\npayoffs = [[[1, -1], [-1, 1]], [[-1, 1], [1, -1]]]\n'


def test_a_network_is_certified_and_solved() -> None:
    found = document.from_toml(NETWORK + LAYER + '[solve]\nmethod = "forward-backward"\n').answers(0)
    np.testing.assert_allclose(found["run"]["solution"].values, [1.4, 0.2], atol=1e-11)
    assert found["run"].attrs["outcome"] == "converged"
    assert str(found["certificates"]["verdict"].sel(certificate="monotone").values) == "sufficient"
    assert float(found["potential"]["kappa"]) == pytest.approx(0.8)


def test_weights_come_from_a_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "trained.npz", W1=np.array([[0.5]]), b1=np.array([1.0]))
    text = '[game]\nkind = "network"\nweights = "trained.npz"\nactivation = "tanh"\nreadout = "gelu"\n'
    (tmp_path / "mine.toml").write_text(text)
    run = document.read(tmp_path / "mine.toml").answers(0)["run"]
    x = run["solution"].item()
    assert run.attrs["method"] == "best-response"  # gelu is no proximal map: the fixed-point equation alone
    gelu = named("gelu").function
    assert x == pytest.approx(gelu(0.5 * x + 1.0), abs=1e-10)


def test_tables_are_enumerated_and_played() -> None:
    found = document.from_toml(PENNIES).answers(0)
    assert set(found) == {"equilibria"} and found["equilibria"].attrs["harmonic_share"] == pytest.approx(1.0)
    np.testing.assert_allclose(found["equilibria"]["row"].values, [[0.5, 0.5]])
    run = document.from_toml(SHEARS + PLAY).answers(0)["run"]
    assert float(run["share"][-1].prod()) == pytest.approx(0.03125, abs=1e-10)
    two = document.from_toml(
        PENNIES.replace("matrix", "population") + PLAY.replace("0.5, 0.25, 0.25", "[0.5, 0.5], [1, 0]")
    )
    assert two.answers(0)["run"].sizes["strategy"] == 4


def test_a_training_run_is_followed() -> None:
    x = [[1.0, 0.5], [-0.5, 1.0], [0.3, -1.0]]
    network = ts.MLP(depth=1, width=4, activation="tanh")
    training = ts.Training(data=ts.data.arrays(x, x), network=network, optimizer=ts.SGD(learning_rate=0.5), steps=5)
    found = document.from_toml(training.to_toml()).answers(2)["training"]
    assert dict(found.sizes) == {"step": len(training.recorded), "replica": document.REPLICAS}


@pytest.mark.parametrize("text", [None, SHEARS + PLAY, PENNIES, NETWORK + LAYER])
def test_the_verb(
    text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "mine.toml"
    file.write_text(text or "")
    assert cli.main(["game", "--quiet", *(["mine.toml"] if text else [])]) == 0
    out = capsys.readouterr().out
    assert "saved" in out and list(tmp_path.glob("*.nc"))
    if text == SHEARS + PLAY:
        assert "share 2" in out and list(tmp_path.glob("*.svg"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "section [game] must be given"),
        ('[game]\nkind = "chess"\n', "game: `kind` must be one of"),
        ('[game]\nkind = "network"\n', "either `weights`, an npz file, or sections [[layer]]"),
        (NETWORK + LAYER + "[simulate]\nsteps = 3\n", "unknown key `simulate`"),
        (NETWORK + LAYER.replace("biases", "bias"), 'layer: unknown key `bias` (did you mean "biases"?)'),
        (NETWORK + LAYER + "[solve]\nstep_size = 1\n", "solve: unknown key `step_size`"),
        (NETWORK + LAYER.replace('activation = "relu"', ""), "`weights` and `activation` must be given"),
        ('[game]\nkind = "network"\nweights = "w.npz"\n', "with its `activation`"),
        (SHEARS + PLAY.replace('dynamics = "replicator"\n', ""), "simulate: `dynamics` must be given"),
        (PENNIES.replace("[1, -1]", "[1]", 1), "`payoffs` must be tables of numbers, rows of one length"),
        (PENNIES.replace("[[1, -1], [-1, 1]], ", ""), "an axis each"),
        ('[game]\nkind = "matrix"\npayoffs = 3\n', "`payoffs` must be tables, got 3"),
        ('game = 3\n', "section [game] must be given"),
    ],
)  # fmt: skip
def test_wrong_documents(text: str, message: str) -> None:
    with pytest.raises(ts.ProblemError) as caught:
        document.from_toml(text).answers(0)
    assert message in str(caught.value)
