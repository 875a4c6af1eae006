"""The verbs of the command line: each reads arguments, calls the library and prints what it returns."""

from __future__ import annotations

import json as json_text
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, CycloptsError, Parameter

from theorysim.errors import NotConverged, ProblemError

if TYPE_CHECKING:
    from theorysim.problem import Training

USAGE, NOT_CONVERGED, BROKEN, INTERRUPTED = 2, 3, 1, 130

app = App(
    name="theorysim",
    help="Predict how a neural network trains, from the theory of wide networks, with error bars.",
    version_flags=["--version"],
    suppress_keyboard_interrupt=False,
    default_parameter=Parameter(negative=""),
)

app.register_install_completion_command()

Problem = Annotated[Path | None, Parameter(name="FILE", help="Problem in TOML; without it, a built-in one.")]


def _load_presentation() -> None:
    for name in ("plot", "report", "store"):
        import_module(f"theorysim.{name}")


@app.command
def predict(
    file: Problem = None,
    /,
    *,
    seed: int = 0,
    output: str | None = None,
    quiet: bool = False,
    json: bool = False,
) -> None:
    """Predict the learning curve of a training run, with error bars and verdicts.

    Parameters
    ----------
    seed
        Seed of whatever is sampled; the same seed gives the same numbers.
    output
        Stem of the files written: STEM-forecast.nc and STEM-forecast.svg. Default: the name of FILE.
    quiet
        Show no progress.
    json
        Print everything as JSON instead of tables.
    """
    Thread(target=_load_presentation, daemon=True).start()  # matplotlib loads on the idle core
    from theorysim.forecast import forecast
    from theorysim.progress import bar

    training, stem = _read(file, output)
    with bar("predicting", quiet or json) as progress:
        result = forecast(training, seed=seed, progress=progress)
    from theorysim import report, store
    from theorysim.plot import plot, save

    saved = [store.save(result, f"{stem}-forecast.nc"), save(plot(result), f"{stem}-forecast.svg")]
    if json:
        print(json_text.dumps(report.as_mapping(result), indent=1))
        return
    print(training.describe(), report.learning_table(result), sep="\n\n", end="\n\n")
    print(report.verdict_table(result))
    if rates := report.learning_rates(result):
        print(rates)
    print(_saved(saved), f"again: {_again('predict', file, seed)}", sep="   ")


@app.command
def compare(
    file: Problem = None,
    /,
    *,
    replicas: int = 8,
    seed: int = 0,
    output: str | None = None,
    quiet: bool = False,
) -> None:
    """Predict, then train the finite network too, and print z-scores.

    Parameters
    ----------
    replicas
        Networks to train, each with its own initialisation and batches.
    seed
        Seed of the forecast; the networks are trained with the next one.
    output
        Stem of the files written. Default: the name of FILE.
    quiet
        Show no progress.
    """
    from theorysim import report, store
    from theorysim.compare import compare as compared
    from theorysim.finite.training import train
    from theorysim.forecast import forecast
    from theorysim.plot import plot, save
    from theorysim.progress import bar

    training, stem = _read(file, output)
    with bar("predicting", quiet) as progress:
        predicted = forecast(training, seed=seed, progress=progress)
    with bar("training", quiet) as progress:
        trained = train(training, replicas=replicas, seed=seed + 1, progress=progress)
    comparison = compared(predicted, trained)
    print(training.describe(), report.comparison_table(comparison), sep="\n\n", end="\n\n")
    print(report.comparison_summary(comparison), end="\n\n")
    saved = [store.save(predicted, f"{stem}-forecast.nc"), store.save(trained, f"{stem}-trained.nc"),
             save(plot(predicted, trained), f"{stem}-comparison.svg")]  # fmt: skip
    print(_saved(saved), f"again: {_again('compare', file, seed)} --replicas {replicas}", sep="   ")


@app.command
def sde(
    file: Problem = None,
    /,
    *,
    seed: int = 0,
    trust: bool = False,
    output: str | None = None,
    quiet: bool = False,
) -> None:
    """Simulate the stochastic differential equation of an optimizer, and the optimizer beside it.

    Parameters
    ----------
    seed
        Seed of the paths; the algorithm has the next one.
    trust
        Report too how far the equation can be believed: SVAG ladder, scaling rule, third moments.
    output
        Stem of the files written. Default: the name of FILE.
    quiet
        Show no progress.
    """
    from theorysim import report, store
    from theorysim.plot import plot, save
    from theorysim.progress import bar
    from theorysim.sde import document

    stated = document.read(file) if file else document.from_toml(files("theorysim").joinpath("sde.toml").read_text())
    with bar("simulating", quiet) as progress:
        found, ran = stated.equation(seed, progress), stated.algorithm(seed)
    print(stated.model, report.equation_table(found, ran), sep="\n\n", end="\n\n")
    if trust:
        print(stated.trust(seed), end="\n\n")
    stem = output or (file.stem if file else "digits-sde")
    saved = [store.save(found, f"{stem}-equation.nc"), store.save(ran, f"{stem}-algorithm.nc"),
             save(plot(found, ran), f"{stem}-equation.svg")]  # fmt: skip
    print(_saved(saved), f"again: {_again('sde', file, seed)}", sep="   ")


@app.command
def game(file: Problem = None, /, *, seed: int = 0, output: str | None = None, quiet: bool = False) -> None:
    """Certify and solve a network as a game, list equilibria of a matrix game, or simulate those who play.

    Parameters
    ----------
    seed
        Seed of random dynamics, or of the networks trained.
    output
        Stem of the files written. Default: the name of FILE.
    quiet
        Show no progress.
    """
    from theorysim import report, store
    from theorysim.games import document
    from theorysim.plot import plot_steps, save
    from theorysim.progress import bar

    stated = document.read(file) if file else document.from_toml(files("theorysim").joinpath("game.toml").read_text())
    with bar("playing", quiet) as progress:
        found = stated.answers(seed, progress)
    stem, saved = output or (file.stem if file else "relu-game"), []
    for name, result in found.items():
        print(name, report.result_text(result), sep="\n\n", end="\n\n\n")
        saved.append(store.save(result, f"{stem}-{name}.nc"))
        if "step" in result.dims:
            saved.append(save(plot_steps(result), f"{stem}-{name}.svg"))
    print(_saved(saved), f"again: {_again('game', file, seed)}", sep="   ")


@app.command
def theories() -> None:
    """List every theory: its limit, where it is valid, its error, its sources."""
    from theorysim import report

    print(report.theory_list())


@app.command
def derive(name: Annotated[str | None, Parameter(name="NAME")] = None, /, *, latex: bool = False) -> None:
    """Print derivations step by step, and how far the code is from them; list all without NAME.

    Parameters
    ----------
    name
        Name of a derivation, or a part of it that several share.
    latex
        Print LaTeX.
    """
    from theorysim import report
    from theorysim.derive import derive as derived
    from theorysim.derive import matching, names

    if name is None:
        print("\n".join(names()))
        return
    for each in matching(name):
        derivation = derived(each)
        print(derivation.latex if latex else report.derivation_text(derivation), end="\n\n")


@app.command
def figure(name: Annotated[str | None, Parameter(name="NAME")] = None, /, *, folder: Path = Path()) -> None:
    """Draw a figure of the paper; list all without NAME.

    Parameters
    ----------
    name
        Name of a figure.
    folder
        Where to write it.
    """
    from theorysim import shipped

    titles = shipped.figure_titles()
    if name is None:
        width = max(map(len, titles), default=0)
        print("\n".join(f"{key.ljust(width)}   {title}" for key, title in titles.items()))
        return
    if name not in titles:
        raise ProblemError(f'figure: NAME must be one of {", ".join(titles)}; got "{name}"')
    folder.mkdir(parents=True, exist_ok=True)
    print("saved ", shipped.load("figures", name).draw(folder))


@app.command
def cite(name: Annotated[str, Parameter(name="NAME")], /) -> None:
    """Print BibTeX of the sources of a theory.

    Parameters
    ----------
    name
        Name of a theory, for example kernels.mlp, or of one source.
    """
    from theorysim import references
    from theorysim.theories import theory

    known = name in references.REFERENCES
    print(references.bibtex((name,) if known else references.cited(theory(name).__doc__ or "")))


@app.command
def doctor() -> None:
    """Print versions, threads, cache folder and devices, and run a self-test."""
    from theorysim import doctor as checks

    for key, value in checks.facts():
        print(f"{key:<18}{value}")
    failed = 0
    for key, passed in checks.self_test():
        print("pass " if passed else "FAIL ", key)
        failed += not passed
    if failed:
        raise SystemExit(BROKEN)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code; every error is one line on stderr, never a traceback."""
    with warnings.catch_warnings():
        warnings.showwarning = _one_line
        try:
            app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
        except KeyboardInterrupt:
            return _fail("interrupted", INTERRUPTED)
        except BrokenPipeError:  # the reader of a pipe has left, as in `theorysim theories | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        except (ProblemError, CycloptsError) as error:
            return _fail(str(error), USAGE)
        except OSError as error:
            return _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error), USAGE)
        except (NotConverged, FloatingPointError) as error:
            return _fail(str(error), NOT_CONVERGED)
        except Exception as error:  # a defect of ours: still one line, and how to see the rest
            if os.environ.get("THEORYSIM_TRACEBACK"):
                traceback.print_exc()
            text = f"{type(error).__name__}: {error} (a defect; THEORYSIM_TRACEBACK=1 shows where)"
            return _fail(text, BROKEN)
    return 0


def _fail(text: str, code: int) -> int:
    print("error:", " ".join(text.split()), file=sys.stderr)
    return code


def _one_line(message: Warning | str, *_: object, **__: object) -> None:
    print("warning:", " ".join(str(message).split()), file=sys.stderr)


def _read(file: Path | None, output: str | None) -> tuple[Training, str]:
    """Return the problem of a file (the built-in one for None) and the stem of the files to write."""
    from theorysim.problem.document import from_toml, read

    if file is None:
        return from_toml(files("theorysim").joinpath("default.toml").read_text()), output or "digits"
    return read(file), output or file.stem


def _saved(paths: Sequence[Path]) -> str:
    return "saved  " + "  ".join(str(path) for path in paths)


def _again(verb: str, file: Path | None, seed: int) -> str:
    return " ".join(["theorysim", verb, *([] if file is None else [str(file)]), "--seed", str(seed)])
