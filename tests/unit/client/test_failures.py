"""Which error a client raises for the code that a server answered with."""

from __future__ import annotations

import pytest

from servable.client.failures import error_for
from servable.errors import Code, ServableError, Unavailable, UnknownError


@pytest.mark.parametrize("code", [code for code in Code if code.name != "OK"])
def test_a_code_is_raised_as_the_error_of_that_code(code: Code) -> None:
    error = error_for(code, "why", "what now")
    assert (error.message, error.hint) == ("why", "what now")
    assert ServableError in type(error).__bases__
    assert error.code is code or type(error) is UnknownError


def test_a_server_that_is_not_there_is_unavailable_and_no_more() -> None:
    assert type(error_for(Code.UNAVAILABLE, "")) is Unavailable
