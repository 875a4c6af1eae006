"""Tables in files, right and wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from theorysim.errors import ProblemError
from theorysim.problem import data

CSV = "a,b,y\n1,2,0.5\n3,4,1.5\n5,6,2.5\n"


def _csv(folder: Path, text: str) -> str:
    (folder / "mine.csv").write_text(text)
    return str(folder / "mine.csv")


@pytest.mark.parametrize(
    ("text", "target", "x", "y"),
    [
        (CSV, None, [[1, 2], [3, 4], [5, 6]], [0.5, 1.5, 2.5]),
        (CSV, "b", [[1, 0.5], [3, 1.5], [5, 2.5]], None),
        (CSV, 0, [[2, 0.5], [4, 1.5], [6, 2.5]], None),
        (CSV, -3, [[2, 0.5], [4, 1.5], [6, 2.5]], None),
        ("1,2,0.5\n\n3,4,1.5\n", None, [[1, 2], [3, 4]], [0.5, 1.5]),
        ("a;b;y\n1;2;0.5\n3;4;1.5\n", "y", [[1, 2], [3, 4]], [0.5, 1.5]),
        ("\ufeffa\tb\ty\n1\t2\t0.5\n3\t4\t1.5\n", "y", [[1, 2], [3, 4]], [0.5, 1.5]),
        ('"a, quoted","b","y"\n1e-3, 2 ,0.5\n-3,+4,1.5\n', "y", [[1e-3, 2], [-3, 4]], [0.5, 1.5]),
    ],
)
def test_csv(tmp_path: Path, text: str, target: str | int | None, x: object, y: object) -> None:
    samples = data.file(_csv(tmp_path, text), target, labels="regression").load()
    order = np.random.default_rng(0).permutation(len(samples.x_train))
    np.testing.assert_array_equal(samples.x_train, np.array(x)[order])
    assert y is None or samples.y_train[:, 0].tolist() == np.array(y)[order].tolist()


def test_csv_with_class_names(tmp_path: Path) -> None:
    path = _csv(tmp_path, "5.1,3.5,setosa\n6.0,2.2,virginica\n5.9,3.0,versicolor\n")
    samples = data.file(path, train=2, test=1).load()
    order = np.random.default_rng(0).permutation(3)
    classes = np.array([0, 2, 1])[order]
    assert samples.classes_train is not None and samples.classes_test is not None
    assert [*samples.classes_train, *samples.classes_test] == classes.tolist()
    assert samples.y_train.shape == (2, 3) and samples.y_train.sum() == pytest.approx(0.0)


def test_whole_numbers_are_classes_unless_said_otherwise(tmp_path: Path) -> None:
    path = _csv(tmp_path, "1,0\n2,1\n3,0\n")
    assert set(data.file(path).load().y_train[:, 0]) == {-1.0, 1.0}
    assert set(data.file(path, labels="regression").load().y_train[:, 0]) == {0.0, 1.0}


def test_split_of_a_file_is_the_seeded_permutation(tmp_path: Path) -> None:
    path = str(tmp_path / "m.npy")
    np.save(path, np.column_stack([np.arange(10.0), np.arange(10.0) / 4]))
    samples = data.file(path, train=4, test=3, split_seed=7).load()
    order = np.random.default_rng(7).permutation(10)
    assert samples.x_train[:, 0].tolist() == order[:4].tolist()
    assert samples.x_test[:, 0].tolist() == order[4:7].tolist()


def test_npz_with_its_own_test_rows(tmp_path: Path) -> None:
    path = str(tmp_path / "m.npz")
    np.savez(path, x=np.eye(3), y=[0.5, 1.0, 2.0], x_test=np.ones((2, 3)), y_test=[3.0, 4.0])
    samples = data.file(path).load()
    assert samples.x_train.tolist() == np.eye(3).tolist() and samples.y_test.tolist() == [[3.0], [4.0]]
    assert data.file(path, train=3, test=2).load().y_train.tolist() == samples.y_train.tolist()
    with pytest.raises(ProblemError, match=r"`train` must be left out for .*m.npz, which has its own x_test; got 2"):
        data.file(path, train=2).load()


def test_npz_target_by_name(tmp_path: Path) -> None:
    path = str(tmp_path / "m.npz")
    np.savez(path, x=np.eye(2), energy=np.array([[0.5, 1.0], [2.0, 3.0]]))
    assert data.file(path, "energy").load().y_train.shape == (2, 2)


@pytest.mark.parametrize(
    ("text", "target", "message"),
    [
        ("", None, "mine.csv must not be empty"),
        ("a,b\n", None, "must hold rows below its header, got none in"),
        ("y\n1\n", None, "must have at least one input column and the target, got 1 column"),
        ("a,y\n1,2\n3\n", None, "mine.csv line 3 must have 2 cells, got 1"),
        ("a,y\n1,2\nx,4\n", None, 'mine.csv line 3, column "a" must be a finite number, got "x"'),
        ("1,2\nnan,4\n", None, 'mine.csv line 2, column 0 must be a finite number, got "nan"'),
        ("a,y\n1,0.5\n2,inf\n", None, 'mine.csv line 3, column "y" must be a finite number, got "inf"'),
        ("a,y\n1,0.5\n2,abc\n", None, 'mine.csv line 3, column "y" must be a finite number, got "abc"'),
        ("a,y\n1,0.5\n,2\n", None, 'mine.csv line 3, column "a" must be a finite number, got ""'),
        ("a,y\n1,0.5\n2,\n", None, 'mine.csv line 3, column "y" must not be empty'),
        (CSV, "label", "`target` must be a column of"),
        ("a,label,c\n1,2,3\n", "lable", 'got "lable" (did you mean "label"?)'),
        ("1,2\n3,4\n", "y", "`target` must be a column index, for"),
        (CSV, 3, "`target` must be a column from 0 to 2 of"),
    ],
)
def test_wrong_csv(tmp_path: Path, text: str, target: str | int | None, message: str) -> None:
    with pytest.raises(ProblemError) as caught:
        data.file(_csv(tmp_path, text), target).load()
    assert str(caught.value).startswith("data: ") and message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_wrong_sizes_say_how_many_rows_there_are(tmp_path: Path) -> None:
    path = _csv(tmp_path, CSV)
    with pytest.raises(ProblemError, match=r"must be at most the 3 rows of .*, got 3 \+ 1 = 4"):
        data.file(path, train=3, test=1).load()
    with pytest.raises(ProblemError, match=r"with `train` at least 1, got 0 \+ 3 = 3"):
        data.file(path, test=3).load()


def test_csv_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_bytes(b"\xff\xfe\x00\x81\n")
    with pytest.raises(ProblemError, match="must be a CSV file in UTF-8"):
        data.file(tmp_path / "mine.csv").load()


@pytest.mark.parametrize("name", ["none.csv", "none.npy", "none.npz"])
def test_missing_files(tmp_path: Path, name: str) -> None:
    with pytest.raises(ProblemError, match=f"data: `path` must be an existing file, got .*{name}"):
        data.file(tmp_path / name).load()


def test_unknown_kind_of_file() -> None:
    with pytest.raises(ProblemError, match=r'data: `path` must end in .csv, .npy or .npz; got "mine.pkl"'):
        data.file("mine.pkl").load()


def test_pickles_are_refused_and_never_loaded(tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "harm",)  # type: ignore[return-value]

    pickled = np.array([Harm()], dtype=object)
    np.savez(tmp_path / "m.npz", x=pickled, y=pickled)
    np.save(tmp_path / "m.npy", pickled, allow_pickle=True)
    (tmp_path / "text.npy").write_text("not an array")
    for name in ("m.npz", "m.npy"):
        with pytest.raises(ProblemError, match="must hold plain arrays of numbers or text, got pickled objects"):
            data.file(tmp_path / name).load()
    with pytest.raises(ProblemError, match=r"data: .*text.npy"):
        data.file(tmp_path / "text.npy").load()
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    ("stored", "target", "message"),
    [
        ({"x": np.eye(2)}, None, 'must hold an array "y", got x'),
        ({"X": np.eye(2), "y": np.ones(2)}, None, 'must hold an array "x", got X, y'),
        ({"x": np.eye(2), "labels": np.ones(2)}, "label", '(did you mean "labels"?)'),
        ({"x": np.eye(2), "y": np.ones(2)}, 1, "`target` must be the name of an array of"),
        ({"x": np.ones(2), "y": np.ones(2)}, None, '"x" of'),
        ({"x": np.eye(2), "y": np.ones(3)}, None, "must have shape (2,) or (2, outputs), got (3,)"),
        ({"x": np.array([[1.0, np.nan]]), "y": np.ones(1)}, None, "must be finite, got nan at index [0, 1]"),
        ({"x": np.array([[1j]]), "y": np.ones(1)}, None, "must hold numbers or text, got dtype complex128"),
        ({"x": np.eye(2), "y": np.ones(2), "x_test": np.eye(2)}, None, 'together, got no "y_test"'),
        ({"x": np.eye(2), "y": np.ones(2), "x_test": np.eye(3), "y_test": np.ones(3)}, None, "must match"),
    ],
)
def test_wrong_npz(tmp_path: Path, stored: dict[str, object], target: str | int | None, message: str) -> None:
    np.savez(tmp_path / "m.npz", **stored)  # type: ignore[arg-type]
    with pytest.raises(ProblemError) as caught:
        data.file(tmp_path / "m.npz", target).load()
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_wrong_npy(tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", np.ones(3))
    with pytest.raises(ProblemError, match=r"must hold numbers of shape \(samples, columns >= 2\), got \(3,\)"):
        data.file(tmp_path / "m.npy").load()
