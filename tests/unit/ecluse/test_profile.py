"""Where the API is: what the variables say beside what is kept."""

from pathlib import Path

import pytest

from ecluse.profile import Profile, overruling


def test_a_variable_that_names_the_same_authority_overrules_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However the CA's path is written, the file is the same one; another file, address or a token of its own does overrule."""
    monkeypatch.chdir(tmp_path)
    url = "https://127.0.0.1:8443"
    for ca in (Path("ca.pem"), tmp_path / "ca.pem"):
        profile = Profile(url=url, ca=ca, token=None)
        for written in ("./ca.pem", "ca.pem", str(tmp_path / "ca.pem"), ""):
            assert overruling({"ECLUSE_API_URL": f"{url}/", "ECLUSE_API_CA": written}, profile) == ()
        assert overruling({"ECLUSE_API_CA": "./other.pem"}, profile) == ("ECLUSE_API_CA",)
        assert overruling(
            {"ECLUSE_API_URL": "https://127.0.0.1:1", "ECLUSE_API_TOKEN_FILE": "token"}, profile
        ) == ("ECLUSE_API_URL", "ECLUSE_API_TOKEN_FILE")
