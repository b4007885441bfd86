"""Where a refused key belongs: the vendor's other hosts are asked, with nothing but free GETs."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hostile import Answer, Hostile

import wan_notebook as wan
from wan_notebook.config import Secret, Settings
from wan_notebook.engine.spending import Terms
from wan_notebook.facts.catalog import catalog
from wan_notebook.hall.session import Session
from wan_notebook.service.client import WanClient
from wan_notebook.service.connections import open_http
from wan_notebook.service.hosts import Host, address_of, owner
from wan_notebook.service.probes import Guide, Probe, knock, right_place
from wan_notebook.simulator import Simulator

PHOTO = Path(__file__).parent.parent / "notebooks" / "images" / "chelsea.png"
BEIJING_KEY = "sk-region-beijing-0123456789abcdef"
BODY = {"model": "wan2.6-i2v-flash", "input": {"img_url": "https://example.com/a.png"}, "parameters": {}}


@pytest.fixture
def places():
    """Three regions on this machine, of which the last does not answer."""
    with Hostile() as gone:
        pass
    with Simulator(region="singapore") as singapore, Simulator(region="beijing") as beijing:
        yield {"singapore": singapore, "beijing": beijing, "virginia": gone}


def moved(places):
    """The catalogue's regions, at other addresses."""
    known = catalog().regions
    return {
        name: replace(known[name], base_url=place if isinstance(place, str) else place.base_url)
        for name, place in places.items()
    }


def settings(key, region="singapore", **more):
    return replace(Settings(region, None, Secret(key), "given in the call", None), **more)


def refused(regions, settings, *, times=1, call="submit"):
    """The errors of so many calls at once."""

    async def ask():
        async with open_http("test") as http:
            guide = Guide(regions)
            base_url = address_of(settings.region, settings, regions)
            client = WanClient(
                http=http,
                base_url=base_url,
                key=settings.require_key().reveal,
                loopback=True,
                advise=partial(guide.advise, http=http, settings=settings),
            )
            calls = [client.submit(BODY) if call == "submit" else client.fetch("task-1") for _ in range(times)]
            return await asyncio.gather(*calls, return_exceptions=True)

    errors = asyncio.run(ask())
    assert all(isinstance(error, wan.AuthenticationError) for error in errors), errors
    return errors


def asked(place):
    return [(one.method, one.call) for one in place.requests]


@pytest.mark.parametrize("call", ["submit", "query"])
def test_a_key_of_another_region_is_recognised_wherever_it_is_refused(places, call):
    (error,) = refused(moved(places), settings(BEIJING_KEY), call=call)
    assert "The key is valid in beijing, not in singapore: write --region beijing." in error.hint
    assert asked(places["singapore"]) == [("POST", "submit") if call == "submit" else ("GET", "query")]
    assert asked(places["beijing"]) == [("GET", "list")]
    assert BEIJING_KEY not in str(error)
    assert ("Nothing is billed" in error.hint) == (call == "submit")
    assert "%wan_doctor" not in error.hint
    assert "wrong, was deleted" not in error.hint


def test_the_card_of_a_refused_job_names_the_right_region(places, tmp_path):
    hall = Session(regions=moved(places))
    request = wan.I2VRequest(prompt="A cat.", image=PHOTO, duration=2, audio=False)
    try:
        where = {"folder": tmp_path, "outputs": tmp_path / "clips"}
        job = hall.submit(request, settings(BEIJING_KEY), **where, terms=Terms(), scope="one test")
        assert isinstance(job.exception(30), wan.AuthenticationError)
        card = job._repr_mimebundle_()
    finally:
        hall.runner.close()
    for shown in (card["text/html"], card["text/plain"], str(job.record)):
        assert "write --region beijing" in shown
        assert BEIJING_KEY not in shown
    assert ("POST", "submit") not in asked(places["beijing"])


def test_a_key_for_an_address_of_ones_own_is_shown_to_nobody_else(places):
    with Simulator(region="somewhere") as own:
        (error,) = refused(moved(places), settings(BEIJING_KEY, base_url=own.base_url))
    assert "valid in" not in error.hint
    assert asked(places["beijing"]) == asked(places["singapore"]) == []


def test_a_given_address_of_the_vendors_has_to_go_too(places):
    base_url = places["singapore"].base_url
    (error,) = refused(moved(places), settings(BEIJING_KEY, region="beijing", base_url=base_url))
    assert "not in singapore: leave the base URL out (base_url, DASHSCOPE_HTTP_BASE_URL) and write" in error.hint


def test_a_key_that_nobody_takes_is_said_to_be_refused_by_those_who_answered(places):
    (error,) = refused(moved(places), settings("sk-invalid-0123456789abcdef"))
    assert error.hint.startswith("It was refused in beijing, too.")
    assert "virginia" not in error.hint


def test_a_plan_key_is_recognised_without_asking_anybody(places):
    (error,) = refused(moved(places), settings("sk-sp-0123456789abcdef"))
    assert "plan key" in error.hint
    assert asked(places["beijing"]) == []


def test_many_refusals_at_once_ask_each_host_once(places):
    errors = refused(moved(places), settings(BEIJING_KEY), times=8, call="query")
    assert len(errors) == 8
    assert all("write --region beijing" in error.hint for error in errors)
    assert asked(places["beijing"]) == [("GET", "list")]


def test_a_workspace_that_is_not_the_keys_asks_nobody(places):
    places["singapore"].refuse_next("submit", 401, "NOT AUTHORIZED", "no member")
    (error,) = refused(moved(places), settings("sk-region-singapore-1", workspace="ws-1"))
    assert "workspace" in error.hint
    assert asked(places["beijing"]) == []


def host(region, base_url="https://example.com/api/v1", *, own=False):
    return Host(region, base_url, own)


OWN_SHOWN = "https://{workspace}.cn-beijing.maas.aliyuncs.com/api/v1"
OWN = "https://ws-1.cn-beijing.maas.aliyuncs.com/api/v1"


@pytest.mark.parametrize(
    ("here", "others", "words"),
    [
        (
            host("beijing"),
            {host("beijing", OWN, own=True): "taken"},
            f"at the shared host: set the base URL (base_url, DASHSCOPE_HTTP_BASE_URL) to {OWN_SHOWN}.",
        ),
        (
            host("beijing", OWN, own=True),
            {host("beijing"): "taken", host("singapore"): "refused"},
            "valid in beijing at the shared host, not in beijing at the workspace's own host: write --region beijing.",
        ),
        (
            host("singapore"),
            {host("beijing"): "refused", host("frankfurt", own=True): "taken"},
            "valid in frankfurt, not in singapore: write --region frankfurt.",
        ),
        (host("singapore"), {host("beijing"): "open", host("virginia"): "unreachable"}, ""),
    ],
)
def test_shared_hosts_and_those_of_a_workspace_are_told_apart(here, others, words):
    found = [Probe(where, verdict, "") for where, verdict in others.items()]
    said = right_place(here, found, by_address=False)
    assert said.endswith(words)
    assert bool(said) == bool(words)
    assert "ws-1" not in said


@pytest.mark.parametrize(
    "url",
    [
        "https://dashscope-intl.aliyuncs.com/api/v1/x",
        "https://dashscope-intl.aliyuncs.com.example.com/api/v1",
        "http://dashscope-intl.aliyuncs.com/api/v1",
        "https://example.com/.cn-beijing.maas.aliyuncs.com/api/v1",
        "https://a.b.cn-beijing.maas.aliyuncs.com/api/v1",
    ],
)
def test_only_the_very_addresses_of_the_catalogue_are_the_vendors(url):
    assert owner(url) is None


ANSWERS = [
    (Answer(302, b"", {"Location": "http://127.0.0.1:9/login"}), "strange", "a redirect"),
    (Answer(200, b"<html>log in</html>"), "strange", "no JSON"),
    (Answer(404, {"error": "what?"}), "strange", "not the service"),
    (Answer(200, {"total": 0, "data": []}), "taken", "takes"),
    (Answer(401, {"code": "InvalidApiKey"}), "refused", "refuses"),
    (Answer(401, {"code": "NOT AUTHORIZED"}), "open", "workspace"),
    (Answer(429, {"code": "Throttling.RateQuota"}), "open", "Too many requests"),
    (Answer(403, {"code": "Workspace.AccessDenied"}), "open", "may not use"),
    (Answer(drop=True), "unreachable", "no answer"),
]


def test_whatever_answers_is_told_apart_and_no_redirect_is_followed():
    async def ask(targets):
        async with open_http("test") as http:
            return await knock(targets, http=http, key=BEIJING_KEY, workspace=None)

    servers = [Hostile() for _ in ANSWERS]
    for server, (answer, _, _) in zip(servers, ANSWERS, strict=True):
        server.on("GET", "/tasks?page_size=1", answer)
        server.__enter__()
    try:
        found = asyncio.run(ask([host(f"place-{n}", server.base_url) for n, server in enumerate(servers)]))
    finally:
        for server in servers:
            server.__exit__()
    for probe, server, (_, verdict, words) in zip(found, servers, ANSWERS, strict=True):
        assert (probe.verdict, words in probe.said) == (verdict, True), probe
        assert BEIJING_KEY not in probe.said
        assert [one.method for one in server.asked] == ["GET"]


def test_a_key_is_never_sent_over_plain_http_to_another_machine():
    async def ask():
        async with open_http("test") as http:
            return await knock([host("x", "http://192.0.2.1/api/v1")], http=http, key=BEIJING_KEY, workspace=None)

    (probe,) = asyncio.run(ask())
    assert probe.said == "not asked: it is not https"


@pytest.mark.full
def test_a_host_that_never_answers_is_not_waited_for():
    async def ask(base_url):
        async with open_http("test") as http:
            return await knock([host("x", base_url)], http=http, key=BEIJING_KEY, workspace=None)

    with socket.create_server(("127.0.0.1", 0)) as silent:
        (probe,) = asyncio.run(ask(f"http://127.0.0.1:{silent.getsockname()[1]}/api/v1"))
    assert (probe.verdict, probe.said) == ("unreachable", "no answer within 4 s")
