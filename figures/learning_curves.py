"""Learning curves on handwritten digits: forecast, infinite width and trained networks of three widths.

A two-layer relu network learns 400 digits by minibatch SGD. The forecast (line, two-sigma band of one run) is
made before anything of this width is trained; dots are means of six trained networks, thin lines each of them;
the dashed line is the limit of infinite width alone.
"""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

import theorysim as ts
from figures.style import TWO_COLUMNS, house_style, write
from theorysim.plot import curve

WIDTHS = (64, 256, 1024)
REPLICAS, STEPS = 6, 200


def training(width: int) -> ts.Training:
    """Return the run at one width."""
    return ts.Training(
        data=ts.data.digits(train=400, test=300, inputs="unit", labels="one-hot-centred"),
        network=ts.MLP(depth=2, width=width, activation="relu", parameterization="ntk"),
        optimizer=ts.SGD(learning_rate=3.0, batch=50),
        steps=STEPS,
    )


def draw(folder: Path) -> Path:
    """Draw the figure into `folder`."""
    limit = ts.kernels.mlp.limit(training(WIDTHS[-1]))
    with house_style():
        figure = Figure(figsize=TWO_COLUMNS, layout="constrained")
        axes = figure.subplots(1, len(WIDTHS), sharey=True)
        for ax, width in zip(axes, WIDTHS, strict=True):
            run = training(width)
            curve(ax, ts.forecast(run), "test_loss", ts.train(run, replicas=REPLICAS, seed=1))
            ax.plot(limit["step"], limit["test_loss"], "--", color="black", linewidth=0.8, label="infinite width")
            ax.set(
                xscale="symlog", yscale="log", xlabel="step", title=f"width {width}", xlim=(0, STEPS), ylim=(0.02, 4)
            )
        axes[0].set_ylabel("test loss")
        axes[0].legend(*_legend(axes[0]))
    return write(figure, folder, "learning_curves")


def _legend(ax: object) -> tuple[list[object], list[str]]:
    names = {"test": "forecast"}
    handles, labels = ax.get_legend_handles_labels()  # type: ignore[attr-defined]
    return handles, [names.get(label, label) for label in labels]
