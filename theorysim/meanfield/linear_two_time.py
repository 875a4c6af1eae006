"""Two-time kernels of deep linear networks, and responses of their fields to noise: exact.

    H^l(k, s) = <h^l(k) h^l(s)>,   G^l(k, s) = <g^l(k) g^l(s)>,   A^l = dh^l(k)/dr^l(s),   B^l = dg^{l+1}(k)/du^{l+1}(s)

The same for other activations, sampled: `meanfield.two_time`. Proof: derivations/deep_linear.py (`closure`).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import xarray as xr

from theorysim.backend.linalg import single_thread
from theorysim.errors import ProblemError
from theorysim.meanfield.batches import Given, random_batches
from theorysim.meanfield.domain import refuse
from theorysim.meanfield.labels import labelled_pairs
from theorysim.meanfield.linear import NAME, refusal, solution_of
from theorysim.problem.provenance import provenance
from theorysim.problem.training import Training


def correlations(training: Training, *, seed: int = 0, batches: Given = None) -> xr.Dataset:
    """Return kernels between all pairs of recorded steps; arguments as in `meanfield.linear.kernels`.

    Returns
    -------
    Dataset
        ``feature_correlation``, <h^l h^l>, and ``gradient_correlation``, mean over outputs of <g^l g^l>, over layer,
        step, sample, step_other, sample_other.
    """
    refuse(NAME, refusal(training))
    solution = solution_of(training, seed, 0, batches)
    with single_thread():
        solution.run()
    c, rows, count = solution.march.c, solution.rows, solution.steps + 1
    kept = np.ix_(solution.places, range(len(rows)), solution.places, range(len(rows)))
    features, gradients = [], []
    for layer in solution.march.layers:
        h = layer.H.reshape(count, c.size, count, c.size)
        features.append(np.einsum("xr,krsq,yq->kxsy", rows, h, rows, optimize=True)[kept])
        g = np.einsum("kcsc->ks", layer.G.reshape(count, c.outputs, count, c.outputs)) / c.outputs
        gradients.append(np.broadcast_to(g[:, None, :, None], (count, len(rows), count, len(rows)))[kept])
    values = {"feature_correlation": np.stack(features), "gradient_correlation": np.stack(gradients)}
    return labelled_pairs(training, values, provenance(training, theory=NAME, seed=seed))


def responses(training: Training, *, batches: Given = None) -> xr.Dataset:
    """Return the derivatives of fields by the noise that they met at earlier steps; one output.

    Parameters
    ----------
    training : Training
        Two hidden layers or more, one output, full or given batches.

    Returns
    -------
    Dataset
        ``feature_response``, A^l = dh^l/dr^l, and ``gradient_response``, B^l = dg^{l+1}/du^{l+1}, of the weights
        between layers l and l + 1, over layer, step, sample, step_other, sample_other. The noise r is the same for all
        samples; A is spread over them evenly.
    """
    refuse(NAME, refusal(training))
    _check_responses(training, batches)
    solution = solution_of(training, 0, 0, batches)
    with single_thread():
        solution.run()
        back = np.linalg.pinv(solution.rows)
    rows, count, size = solution.rows, solution.steps + 1, solution.march.c.size
    kept = np.ix_(solution.places, range(len(rows)), solution.places, range(len(rows)))
    shape, found = (count, len(rows), count, len(rows)), []
    for below, above in pairwise(solution.march.layers):
        a = np.einsum("xr,krs->kxs", rows, (below.C @ below.Rg).reshape(count, size, count)) / len(rows)
        b = above.Ug.reshape(count, count, size) @ back
        found.append([np.broadcast_to(each, shape)[kept] for each in (a[..., None], b[:, None])])
    values = {name: np.stack(part) for name, part in
              zip(("feature_response", "gradient_response"), zip(*found, strict=True), strict=True)}  # fmt: skip
    return labelled_pairs(training, values, provenance(training, theory=NAME, seed=0))


def _check_responses(training: Training, batches: Given) -> None:
    if training.network.depth < 2 or training.outputs > 1:
        raise ProblemError(
            f"{NAME}: `depth` must be at least 2 and the outputs 1 for responses, got {training.network.depth} and "
            f"{training.outputs}"
        )
    if random_batches(training, batches):
        raise ProblemError(f"{NAME}: `batches` must be given for responses, got random ones")
