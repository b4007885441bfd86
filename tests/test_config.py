"""Where key, region and address come from, and what is refused."""

from __future__ import annotations

import pickle

import pytest
from click.testing import CliRunner

import wan_notebook as wan
from wan_notebook.cli import cli
from wan_notebook.config import Secret, Settings, checked_base_url, home
from wan_notebook.errors import ConfigurationError
from wan_notebook.facts.catalog import catalog

KEY = "sk-configured-0123456789abcdef"


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


@pytest.mark.parametrize("word", ["simulator", " Simulator ", *catalog().regions["simulator"].aliases])
@pytest.mark.parametrize("place", ["region", "WAN_NOTEBOOK_REGION"])
def test_whatever_the_simulator_is_called_it_never_gets_what_the_environment_holds(word, place):
    environ = {
        "DASHSCOPE_API_KEY": KEY,
        "DASHSCOPE_HTTP_BASE_URL": "https://example.com/api/v1",
        "DASHSCOPE_WORKSPACE_ID": "ws-1",
    }
    how = {"region": word, "environ": environ} if place == "region" else {"environ": {**environ, place: word}}
    for base_url in (None, "http://127.0.0.1:8000/api/v1"):
        settings = Settings.resolve(base_url=base_url, **how)
        assert (settings.region, settings.base_url, settings.workspace) == ("simulator", base_url, None)
        assert settings.require_key() == Secret("sk-simulator-local")
        given = Settings.resolve(base_url=base_url, api_key="sk-given", **how)
        assert given.require_key() == Secret("sk-given")


@pytest.mark.parametrize("name", ["region", "base_url", "api_key", "workspace"])
@pytest.mark.parametrize("empty", ["", "  "])
def test_an_argument_that_is_empty_is_not_taken_for_one_that_is_left_out(name, empty):
    with pytest.raises(ConfigurationError, match="is empty"):
        Settings.resolve(environ={"DASHSCOPE_API_KEY": KEY}, **{name: empty})
    for region in ("singapore", "simulator"):
        with pytest.raises(ConfigurationError, match="is empty"):
            wan.dry_run(image="https://example.com/a.png", **{"region": region, name: empty})


@pytest.mark.parametrize(
    ("url", "same"),
    [("https://DashScope.AliyunCS.com/api/v1", "https://dashscope.aliyuncs.com/api/v1"),
     ("HTTPS://dashscope.aliyuncs.com.:443/api/v1/", "https://dashscope.aliyuncs.com/api/v1"),
     ("https://example.com:8443/API", "https://example.com:8443/API"),
     ("http://LOCALHOST:8000/api/v1", "http://localhost:8000/api/v1")],
)  # fmt: skip
def test_an_address_has_one_spelling(url, same):
    assert checked_base_url(url) == same


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


def test_a_relative_home_is_refused_and_named_by_the_doctor(monkeypatch):
    with pytest.raises(ConfigurationError, match="relative path"):
        home({"WAN_NOTEBOOK_HOME": "state"})
    assert home({"WAN_NOTEBOOK_HOME": "~/state"}).is_absolute()
    monkeypatch.setenv("WAN_NOTEBOOK_HOME", "state")
    said = CliRunner().invoke(cli, ["doctor", "--region", "simulator"])
    assert "WAN_NOTEBOOK_HOME is a relative path" in said.output
    refused = CliRunner().invoke(cli, ["runs"])
    assert isinstance(refused.exception, ConfigurationError)
