"""Option values that are numbers and yet make no sense."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from servable.cli.main import main


@pytest.mark.parametrize("seconds", ["nan", "inf", "-1", "soon"])
@pytest.mark.parametrize("option", ["--poll-seconds", "--grace-seconds"])
def test_a_time_is_a_finite_number(option: str, seconds: str) -> None:
    result = CliRunner().invoke(main, ["serve", ".", option, seconds])
    assert result.exit_code == 2
    assert option in result.output
