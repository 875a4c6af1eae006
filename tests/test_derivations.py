"""Every equation has a derivation, and its compiled code equals the claim at 50 digits."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import pytest
import sympy as sp

import theorysim.equations
from theorysim import derive
from theorysim.equations import REGISTRY
from theorysim.errors import ProblemError
from theorysim.references import REFERENCES, cited
from theorysim.shipped import load, shipped

NAMES = derive.names()


@pytest.mark.parametrize("name", NAMES)
def test_derivation_holds_and_code_agrees(name):
    found = derive.derive(name)
    assert found.grade in ("proved", "checked", "cited")
    assert found.statement and found.steps
    assert (found.worst_error is None) == (name not in REGISTRY)
    assert found.holds, f"{name}: error {found.worst_error}, allowed {found.tolerance}"
    assert found.tolerance <= 1e-12


def test_every_equation_has_a_claim():
    assert set(REGISTRY) <= set(NAMES)


def test_every_public_body_is_an_equation():
    """Public compiled functions are registered, apart from the pieces of an equation that loops call directly."""
    pieces = {"prepare", "pair", "close_start", "close_layer"}
    bound = {id(function) for function in REGISTRY.values()}
    for info in pkgutil.iter_modules(theorysim.equations.__path__):
        module = importlib.import_module(f"theorysim.equations.{info.name}")
        for name, value in vars(module).items():
            own = getattr(getattr(value, "py_func", None), "__module__", None) == module.__name__
            if own and not name.startswith("_") and name.split("_")[0] not in pieces and name not in pieces:
                assert id(value) in bound, f"{info.name}.{name}"


def test_every_equation_says_what_it_returns():
    for name, function in REGISTRY.items():
        assert inspect.getdoc(function.py_func), name


def test_derivations_and_package_never_import_each_other():
    for path in shipped("derivations").glob("*.py"):
        assert "import theorysim" not in path.read_text() and "from theorysim" not in path.read_text(), path
    for info in pkgutil.iter_modules(theorysim.equations.__path__):
        source = inspect.getsource(importlib.import_module(f"theorysim.equations.{info.name}"))
        assert "import derivations" not in source and "from derivations" not in source


@pytest.mark.parametrize("name", sorted(n for n in REGISTRY if n.startswith(("dual_", "descent.", "gaussian."))))
def test_a_planted_factor_is_rejected(name):
    """Power: an equation that is wrong by one part in 10^9 does not pass."""
    module, claim_name = name.split(".")
    claim = getattr(load("derivations", module), claim_name)()
    function = REGISTRY[name]

    def planted(*arguments):
        values = function(*arguments)
        return tuple(v * (1 + 1e-9) for v in values) if isinstance(values, tuple) else values * (1 + 1e-9)

    assert derive.worst_error(planted, claim) > claim.tolerance


def test_not_a_number_is_rejected():
    claim = load("derivations", "dual_erf").diagonal()
    assert derive.worst_error(lambda q: (float("nan"), 1.0), claim) == float("inf")


def test_a_false_step_is_not_proved():
    claim = load("derivations", "claim")
    x = sp.Symbol("x", positive=True)
    with pytest.raises(claim.NotProved):
        claim.Proof().equal("a planted factor", sp.Derivative(sp.sin(x), x), 2 * sp.cos(x))
    with pytest.raises(claim.NotProved):
        claim.Proof().equal_entries("a planted entry", sp.eye(2), sp.Matrix([[1, 0], [x, 1]]))
    with pytest.raises(claim.NotProved):
        claim.Proof().checked("a planted digit", sp.pi.evalf(50), sp.pi.evalf(50) + sp.Float("1e-20", 50))


def test_a_step_that_rests_on_numbers_lowers_the_grade():
    claim = load("derivations", "claim")
    proof = claim.Proof()
    proof.checked("the same number", sp.pi.evalf(50), sp.pi.evalf(50))
    assert proof.grade == "checked"


def test_names_are_found_by_parts():
    assert derive.matching("dual_erf.kernel") == ("dual_erf.kernel",)
    assert "dual_abrelu.relu" in derive.matching("kernels.relu")
    assert set(derive.matching("gelu")) == {"smooth.gelu", "dual_gelu.kernel", "dual_gelu.diagonal"}
    with pytest.raises(ProblemError, match="did you mean"):
        derive.matching("dual_erg.kernol")
    with pytest.raises(ProblemError):
        derive.derive("erf")


def test_steps_and_latex_for_a_reader():
    found = derive.derive("dual_erf.kernel")
    assert "Williams" in found.statement and any("Price" in step for step in found.steps)
    assert any("Integral(exp(-A11*s**2/2)" in step for step in found.steps)  # unevaluated, as a reader wants it
    assert r"\[" in found.latex and r"dual\_erf" in found.latex and found.latex.count("{") == found.latex.count("}")


def test_sources_of_equations_are_known():
    for info in pkgutil.iter_modules(theorysim.equations.__path__):
        module = importlib.import_module(f"theorysim.equations.{info.name}")
        assert set(cited(module.__doc__ or "")) <= set(REFERENCES), info.name
