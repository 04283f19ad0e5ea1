"""The checks of the plugin API."""

import pytest
from spivae_gbm.analysis import Volatility
from spivae_gbm.process import GeometricBrownianMotion

from spivae.conformance import checks


@pytest.mark.parametrize("check", checks(GeometricBrownianMotion()) + checks(Volatility()), ids=str)
def test_conforms(check):
    check.test()
