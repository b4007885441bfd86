"""The doctor: says why it does not work here, spends nothing, and never shows a key."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from email.utils import formatdate

import pytest
from hostile import Answer, Hostile

from wan_notebook.facts.catalog import catalog
from wan_notebook.hall.doctor import examine
from wan_notebook.simulator import Simulator

KEY = "sk-region-beijing-0123456789abcdef"
NO_TASKS = {"total": 0, "data": [], "request_id": "r"}


@dataclass
class Place:
    """A simulator, and what it was asked since this was made."""

    simulator: Simulator

    def __post_init__(self):
        self.base_url, self._before = self.simulator.base_url, len(self.simulator.requests)

    @property
    def requests(self):
        return self.simulator.requests[self._before :]


@pytest.fixture(scope="module")
def simulators():
    with Simulator(region="singapore") as singapore, Simulator(region="beijing") as beijing:
        yield {"singapore": singapore, "beijing": beijing}


@pytest.fixture
def places(simulators, monkeypatch):
    """Three regions on this machine, of which the last does not answer, and a key of Beijing's."""
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)
    with Hostile() as gone:
        pass
    return {**{name: Place(simulator) for name, simulator in simulators.items()}, "virginia": gone}


def moved(places):
    """The catalogue's regions, at other addresses; a workspace's own hosts are not on this machine."""
    known = catalog().regions
    here = {name: replace(known[name], base_url=place.base_url) for name, place in places.items()}
    return {name: replace(region, workspace_base_url=None) for name, region in here.items()}


def look(tmp_path, regions=None, *, front_end="terminal", **more):
    return examine(outputs=tmp_path / "clips", front_end=front_end, regions=regions, **more)


def lines(report):
    """The findings by topic; and wherever they are shown, no character of a key is."""
    for shown in (str(report), json.dumps(report.as_dict()), report._repr_mimebundle_()["text/html"]):
        assert KEY not in shown
        assert KEY[3:] not in shown
    return {finding.topic: finding for finding in report.findings}


def asked(place):
    return [(one.method, one.path, one.query) for one in place.requests]


def test_a_key_that_fits_is_ok_and_every_region_was_asked_once_for_the_shortest_list(places, tmp_path):
    report = look(tmp_path, moved(places), region="beijing")
    found = lines(report)
    assert report.ok
    assert found["key"].said == "set (DASHSCOPE_API_KEY)"
    assert found["region"].said == "beijing (--region)"
    assert (found["beijing (in use)"].level, found["beijing (in use)"].said) == ("ok", "takes the key")
    assert (found["singapore"].level, found["singapore"].said) == ("info", "refuses the key")
    assert "cannot be reached" in found["virginia"].said
    for place in (places["singapore"], places["beijing"]):
        assert asked(place) == [("GET", "/api/v1/tasks", "page_size=1")]


def test_a_valid_key_in_the_wrong_region_is_told_where_it_belongs(places, tmp_path, monkeypatch):
    monkeypatch.setenv("WAN_NOTEBOOK_REGION", "ap-southeast-1")
    report = look(tmp_path, moved(places))
    found = lines(report)
    assert not report.ok
    assert found["region"].said == "singapore (WAN_NOTEBOOK_REGION)"
    assert found["singapore (in use)"].level == "problem"
    assert found["singapore (in use)"].do == "The key is valid in beijing, not in singapore: write --region beijing."
    assert "A submit would not work here: singapore (in use)." in str(report)


@pytest.mark.parametrize(
    "case",
    [
        ({"region": "beijing"}, {"WAN_NOTEBOOK_REGION": "singapore"}, "%config WanMagics.region"),
        ({}, {"DASHSCOPE_API_REGION": "cn-beijing"}, "DASHSCOPE_API_REGION"),
    ],
)
def test_the_setting_that_won_is_named(places, tmp_path, monkeypatch, case):
    preferences, environment, source = case
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = lines(look(tmp_path, moved(places), preferences=preferences))
    assert found["region"].said == f"beijing ({source})"


def test_without_a_key_the_regions_are_asked_without_one(places, tmp_path, monkeypatch):
    monkeypatch.delenv("DASHSCOPE_API_KEY")
    report = look(tmp_path, moved(places))
    found = lines(report)
    assert (found["key"].level, found["key"].said) == ("problem", "not set")
    assert "--region simulator" in found["key"].do
    assert (found["singapore (in use)"].level, found["beijing"].said) == ("info", "answers")
    assert all("authorization" not in one.headers for one in places["beijing"].requests)


def test_without_a_network_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)
    with Hostile() as gone:
        pass
    report = look(tmp_path, moved({"singapore": gone, "beijing": gone}))
    found = lines(report)
    assert not report.ok
    assert "cannot be reached" in found["singapore (in use)"].said
    assert "network" in found["singapore (in use)"].do
    assert "no host told the time" in found["clock"].said


def test_a_key_for_an_address_of_ones_own_is_shown_to_no_region(places, tmp_path, monkeypatch):
    with Hostile() as own:
        own.on("GET", "/tasks", Answer(200, NO_TASKS))
        monkeypatch.setenv("DASHSCOPE_HTTP_BASE_URL", own.base_url)
        found = lines(look(tmp_path, moved(places)))
        assert own.count("GET") == 1
    assert found["base URL"].said == f"{own.base_url} (DASHSCOPE_HTTP_BASE_URL), which stands above the region"
    assert "not asked" in found["other regions"].said
    assert asked(places["beijing"]) == []


def test_the_simulator_needs_neither_key_nor_network(places, tmp_path, monkeypatch):
    monkeypatch.setenv("WAN_NOTEBOOK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DASHSCOPE_HTTP_BASE_URL", places["beijing"].base_url)
    report = look(tmp_path, moved(places), region="simulator")
    found = lines(report)
    assert report.ok
    assert "never gets yours" in found["key"].said
    assert "starts when it is first used; nothing is billed" in found["service"].said
    assert asked(places["beijing"]) == asked(places["singapore"]) == []


@pytest.mark.parametrize(
    ("answer", "level", "words"),
    [
        (Answer(302, b"", {"Location": "http://127.0.0.1:9/"}), "problem", "a redirect"),
        (Answer(200, b"<html>please log in"), "problem", "login page"),
        (Answer(drop=True), "problem", "no answer"),
        (Answer(429, {"code": "Throttling.RateQuota"}), "warning", "Too many requests"),
        (Answer(403, {"code": "Workspace.AccessDenied"}), "problem", "may not use this model"),
        (Answer(400, {"code": "<script>alert(1)</script>", "message": KEY}), "problem", "does not have this code"),
    ],
)
def test_whatever_answers_is_named_and_harmless(tmp_path, monkeypatch, answer, level, words):
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)
    with Hostile() as server:
        server.on("GET", "/tasks", answer)
        report = look(tmp_path, moved({"singapore": server}))
    found = lines(report)["singapore (in use)"]
    assert (found.level, words in found.said) == (level, True), found
    assert "<script" not in report._repr_mimebundle_()["text/html"]


def test_a_clock_that_is_wrong_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)
    with Hostile() as server:
        dates = {seconds: formatdate(time.time() + seconds, usegmt=True) for seconds in (0, 2 * 3600, -3600)}
        server.on("GET", "/tasks", *(Answer(200, NO_TASKS, {"Date": date}) for date in dates.values()))
        right, behind, ahead = (lines(look(tmp_path, moved({"singapore": server})))["clock"] for _ in dates)
    assert (right.level, behind.level, ahead.level) == ("ok", "warning", "warning")
    assert "120 minutes behind" in behind.said
    assert "60 minutes ahead" in ahead.said


@pytest.mark.parametrize(
    "case",
    [
        (
            {"HTTPS_PROXY": "http://me:secret@proxy.example:3128"},
            "proxy",
            "ok",  # everything that is asked here is on this machine
            "https through http://proxy.example:3128",
        ),
        ({"ALL_PROXY": "socks5://proxy.example:1080"}, "settings", "problem", "socksio"),
        ({"HTTPS_PROXY": "carrier-pigeon://me:secret@x"}, "settings", "problem", "proxy or certificate settings"),
        ({"DASHSCOPE_API_KEY": "sk-sp-0123456789abcdef"}, "key", "problem", "set (DASHSCOPE_API_KEY)"),
        ({"DASHSCOPE_API_KEY": "LTAI0123456789abcdef"}, "key", "warning", "set (DASHSCOPE_API_KEY)"),
        ({"WAN_NOTEBOOK_REGION": "atlantis"}, "settings", "problem", "no region 'atlantis'"),
        ({"WAN_NOTEBOOK_REGION": "frankfurt"}, "settings", "problem", "no shared address"),
        ({"DASHSCOPE_HTTP_BASE_URL": "http://example.com"}, "settings", "problem", "base URL cannot be used"),
        ({"DASHSCOPE_WORKSPACE_ID": "ws-1"}, "workspace", "ok", "set (DASHSCOPE_WORKSPACE_ID)"),
    ],
)
def test_settings_that_stand_in_the_way_are_named(places, tmp_path, monkeypatch, case):
    environment, topic, level, words = case
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
        if "PROXY" in name:
            monkeypatch.setenv(name.lower(), value)
    regions = {**moved(places), "frankfurt": catalog().regions["frankfurt"]}
    if "WORKSPACE_ID" in str(environment):
        del regions["frankfurt"]  # its host is not on this machine
    report = look(tmp_path, regions)
    found = lines(report)[topic]
    assert (found.level, words in found.said) == (level, True), found
    for secret in ("secret", "LTAI0123", "sk-sp-0123"):
        assert secret not in str(report)


def test_a_dead_proxy_is_named_as_the_cause(tmp_path, monkeypatch):
    with Hostile() as gone:
        pass
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, gone.root.replace("//", "//me:secret@"))
    region = replace(catalog().regions["singapore"], base_url="https://wan.invalid/api/v1", workspace_base_url=None)
    report = look(tmp_path, {"singapore": region})
    found = lines(report)
    assert found["proxy"].level == "problem"
    assert f"Nothing came through {gone.root}: look whether it runs" in found["proxy"].do
    assert f"through the proxy {gone.root} (" in found["singapore (in use)"].said
    assert "secret" not in str(report)


def test_a_region_without_an_address_does_not_keep_the_others_from_being_asked(places, tmp_path):
    regions = {**moved(places), "frankfurt": catalog().regions["frankfurt"]}
    report = look(tmp_path, regions, region="frankfurt")
    found = lines(report)
    assert "no shared address" in found["settings"].said
    assert (found["beijing"].level, found["beijing"].said) == ("ok", "takes the key")
    assert (found["singapore"].level, found["frankfurt"].level) == ("info", "info")


@pytest.mark.parametrize("by_address", [False, True])
def test_no_cure_leads_back_to_the_doctor(places, tmp_path, monkeypatch, by_address):
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-invalid-0123456789abcdef")
    if by_address:
        monkeypatch.setenv("DASHSCOPE_HTTP_BASE_URL", places["singapore"].base_url)
    do = lines(look(tmp_path, moved(places)))["singapore (in use)"].do
    assert "%wan_doctor" not in do
    assert ("base URL" if by_address else "copy it again") in do
    assert "--region" not in do


def test_folders_that_cannot_be_written_are_problems(places, tmp_path, monkeypatch):
    (tmp_path / "clips").write_text("a file")
    monkeypatch.setenv("WAN_NOTEBOOK_HOME", str(tmp_path / "clips" / "home"))
    found = lines(look(tmp_path, moved(places), region="beijing"))
    assert (found["clips"].level, found["state"].level) == ("problem", "warning")
    assert "is a file" in found["clips"].said
    assert lines(look(tmp_path, moved(places), region="simulator"))["state"].level == "problem"
    before = sorted(tmp_path.rglob("*"))
    look(tmp_path, moved(places))
    assert sorted(tmp_path.rglob("*")) == before


def test_a_jupyter_in_another_environment_without_the_plugin_is_found(places, tmp_path, monkeypatch):
    """Kernel and JupyterLab often live in different environments."""
    python = tmp_path / "lab" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    script = tmp_path / "jupyter-lab"
    script.write_text("import sys; sys.stdin.read()")
    with subprocess.Popen([python, script], stdin=subprocess.PIPE) as server:
        monkeypatch.setenv("JPY_PARENT_PID", str(server.pid))
        report = look(tmp_path, moved(places), front_end="jupyterlab/notebook", plugin_answered=False)
        server.communicate()
    found = lines(report)
    assert sys.prefix in found["plugin here"].said
    assert found["plugin in Jupyter"].level == "warning"
    assert str(tmp_path / "lab") in found["plugin in Jupyter"].said
    assert f"{python} -m pip install wan-notebook" in found["plugin in Jupyter"].do
    assert found["plugin"].level == "warning"
    assert "wan-notebook sync" in found["plugin"].do


def test_what_the_front_end_cannot_do_is_said(places, tmp_path):
    found = lines(look(tmp_path, moved(places), region="beijing", front_end="vscode"))
    assert found["sound"].level == "warning"
    assert found["codecs"].said == "H.264 and AAC can be read"
    assert f"Python {sys.version_info.major}." in found["versions"].said


def test_from_a_terminal_the_exit_code_tells(tmp_path, monkeypatch):
    def run(*options):
        command = [sys.executable, "-c", "from wan_notebook.cli import main; main()", "doctor", *options]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=180, check=False)

    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)
    good = run("--region", "simulator", "--json")
    assert good.returncode == 0, good.stderr
    report = json.loads(good.stdout)
    assert report["ok"] is True
    assert {finding["level"] for finding in report["findings"]} <= {"ok", "info", "warning"}
    bad = run()
    assert bad.returncode == 1, bad.stderr
    assert "problem" in bad.stdout
    assert KEY not in bad.stdout + bad.stderr


def test_in_a_notebook_it_is_a_table(kernel):
    cell = kernel.run("%load_ext wan_notebook\n%wan_doctor --region simulator")
    assert cell.error is None
    (shown,) = cell.bundles
    assert "<table" in shown["text/html"]
    assert "jupyterlab/notebook" in shown["text/plain"]
    assert "Nothing was found that would stop a submit" in shown["text/plain"]
    patched = kernel.run("import asyncio, wan_notebook as wan\nwan.run(asyncio.sleep(0))\n%wan_doctor")
    assert "patched by nest_asyncio2" in patched.bundles[0]["text/plain"]
    assert "cannot be reached" in patched.bundles[0]["text/plain"]
    assert "did you mean" in "".join(kernel.run("%wan_doctor --regoin beijing").error or []).lower()
