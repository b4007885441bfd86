"""Where key, region and address come from, and what is refused."""

from __future__ import annotations

import pickle

import pytest

from wan_notebook.config import Secret, Settings, checked_base_url
from wan_notebook.errors import ConfigurationError

KEY = "sk-configured-0123456789"


def test_the_region_comes_from_the_nearest_place():
    vendor = {"DASHSCOPE_API_REGION": "cn-beijing"}
    ours = {**vendor, "WAN_NOTEBOOK_REGION": "virginia"}
    assert Settings.resolve(environ={}).region == "singapore"
    assert Settings.resolve(environ=vendor).region == "cn-beijing"
    assert Settings.resolve(environ=ours).region == "virginia"
    assert Settings.resolve(environ=ours, preferences={"region": "frankfurt"}).region == "frankfurt"
    assert Settings.resolve(environ=ours, preferences={"region": "frankfurt"}, region="beijing").region == "beijing"


def test_the_base_url_of_the_environment_stands_above_the_regions():
    settings = Settings.resolve(environ={"DASHSCOPE_HTTP_BASE_URL": "https://example.com/api/v1/"}, region="beijing")
    assert (settings.region, settings.base_url) == ("beijing", "https://example.com/api/v1")


def test_the_simulator_never_sees_the_real_key_nor_the_base_url():
    environ = {"DASHSCOPE_API_KEY": KEY, "DASHSCOPE_HTTP_BASE_URL": "https://example.com/api/v1"}
    for how in ({"region": "simulator"}, {"preferences": {"region": "Simulator"}}):
        settings = Settings.resolve(environ=environ, **how)
        assert settings.base_url is None
        assert settings.require_key().reveal() != KEY


@pytest.mark.parametrize(
    "url",
    ["http://example.com/api/v1", "ftp://127.0.0.1/", "https://me:pw@example.com", "https://", "no address",
     "https://example.com/?a=b", "http://127.0.0.1.example.com/api/v1", "https://example.com:port/"],
)  # fmt: skip
def test_an_address_the_key_must_not_go_to_is_refused(url):
    with pytest.raises(ConfigurationError, match="base URL"):
        checked_base_url(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000/api/v1", "http://localhost/api/v1", "http://[::1]:80/api/v1"])
def test_plain_http_to_this_machine_is_allowed(url):
    assert checked_base_url(url + "/") == url


def test_the_key_is_found_in_the_environment_then_in_the_named_file_then_at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Settings.resolve(environ={}).key is None
    (tmp_path / ".dashscope").mkdir()
    (tmp_path / ".dashscope" / "api_key").write_text("sk-home-key\n")
    named = tmp_path / "named"
    named.write_text("sk-named-key")
    environ = {"DASHSCOPE_API_KEY_FILE_PATH": str(named)}
    assert Settings.resolve(environ={}).require_key().reveal() == "sk-home-key"
    assert Settings.resolve(environ=environ).require_key().reveal() == "sk-named-key"
    settings = Settings.resolve(environ={**environ, "DASHSCOPE_API_KEY": KEY})
    assert (settings.require_key().reveal(), settings.key_source) == (KEY, "DASHSCOPE_API_KEY")


def test_without_a_key_the_error_names_both_ways_out(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ConfigurationError) as caught:
        Settings.resolve(environ={}).require_key()
    assert "DASHSCOPE_API_KEY" in caught.value.hint
    assert "--region simulator" in caught.value.hint


def test_a_named_key_file_that_is_missing_is_said():
    with pytest.raises(ConfigurationError, match="key file cannot be read"):
        Settings.resolve(environ={"DASHSCOPE_API_KEY_FILE_PATH": "/nowhere/key"})


def test_a_key_does_not_show_itself():
    secret = Secret(KEY)
    assert KEY not in f"{secret} {secret!r} {[secret]} {Settings.resolve(environ={'DASHSCOPE_API_KEY': KEY})}"
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(ConfigurationError) as caught:
        Secret("sk-two words 0123456789")
    assert "0123456789" not in str(caught.value)


def test_a_workspace_id_that_could_change_the_address_is_refused():
    with pytest.raises(ConfigurationError, match="workspace"):
        Settings.resolve(environ={}, workspace="evil.example.com/")
