"""`import spivae` is cheap, and its names are those of the library."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import spivae
import spivae.api


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = (
        "import sys, spivae; print([n for n in ('numpy', 'torch', 'msgspec', 'click') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", spivae.__all__)
def test_every_public_name_exists_and_is_documented(name: str) -> None:
    assert getattr(spivae, name).__doc__


@pytest.mark.parametrize("name", spivae.api.__all__)
def test_every_name_of_the_plugin_api_is_documented(name: str) -> None:
    value = getattr(spivae.api, name)
    assert getattr(value, "__doc__", None)


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = spivae.nonsense


def test_sigma_and_diffusion_coefficient_are_inverse() -> None:
    assert spivae.sigma_to_D(spivae.D_to_sigma(np.array([1e-3, 2.0]))) == pytest.approx([1e-3, 2.0])
