"""Where the admin key comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from servable.cli.admin_key import VARIABLE, read_admin_key
from servable.errors import InvalidArgument


def test_a_file_goes_before_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert read_admin_key(None) == ""
    monkeypatch.setenv(VARIABLE, "from-the-environment\n")
    assert read_admin_key(None) == "from-the-environment"
    (tmp_path / "key").write_text("  from-the-file\n")
    assert read_admin_key(tmp_path / "key") == "from-the-file"


def test_a_file_that_gives_no_key_is_refused(tmp_path: Path) -> None:
    # Not taken for "no key": the server would be open to whom the key should keep out.
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(InvalidArgument, match="holds no key"):
        read_admin_key(tmp_path / "empty")
    with pytest.raises(InvalidArgument, match="can not be read"):
        read_admin_key(tmp_path / "absent")
