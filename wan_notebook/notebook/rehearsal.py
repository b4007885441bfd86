"""A submit without the sending: what would go out, to where, at what price, and why it might be refused.

No key is read, no address is fetched, nothing is uploaded and no simulator is started. Media are made ready as for a
real submit; one whose bytes stand in no file yet is kept beside the clips, as the real submit would.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wan_notebook.config import SIMULATOR
from wan_notebook.engine import pricing
from wan_notebook.engine.clips import keep_input
from wan_notebook.errors import ConfigurationError, InvalidRequestError, Problem
from wan_notebook.facts.catalog import catalog
from wan_notebook.keys import UNREAD_KEY, Secret, seal
from wan_notebook.media.medium import SentMedia
from wan_notebook.notebook import arguments, frontend
from wan_notebook.notebook.outlook import limit_problem, paid_before
from wan_notebook.request.declaration import region_problems
from wan_notebook.request.frames import stored
from wan_notebook.request.provision import needs_fetching, provide, upload_above
from wan_notebook.service.hosts import address_of, region_of, tariff, workspace_header
from wan_notebook.service.wire import chunks, encode, submit_headers
from wan_notebook.windows.asked import Asked
from wan_notebook.windows.preview import HEAD, UPLOADED, DryRun
from wan_notebook.windows.snippets import WORKSPACE, Call
from wan_notebook.words import phrases
from wan_notebook.words.addresses import is_loopback, without_workspace
from wan_notebook.words.wording import file_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from wan_notebook.config import Settings
    from wan_notebook.request.declaration import I2VRequest

__all__ = ["dry_run", "rehearse"]

EXAMPLE_SEED = 123_456_789
SIMULATOR_PORT = 8765
OWN_SIMULATOR = (
    "submitting starts a simulator of your own where none runs yet; "
    f"curl and SDK mean one started with: wan-notebook simulator --port {SIMULATOR_PORT}"
)
UNSETTLED = "no command: {} fetched and framed at the submit, and what is sent in its place is known only then"
FETCHED = "{name} is not fetched for a dry run: a submit fetches it first, and what has to be changed is then known"
ASKS_FIRST = "its price is unknown: submitting it asks first, or needs --yes (yes=True)"


def dry_run(
    request: I2VRequest | None = None,
    /,
    *,
    name: str | None = None,
    region: str | None = None,
    api_key: str | Secret | None = None,
    base_url: str | None = None,
    workspace: str | None = None,
    output_dir: str | Path | None = None,
    embed: bool | None = None,
    yes: bool = False,
    force: bool = False,
    max_cost: float | str | None = None,
    private: bool = False,
    **parameters: Any,
) -> DryRun:
    """Look at a request without sending it: the exact body, curl and SDK call, size of the clip, price.

    Needs no key and no network, spends nothing and uploads nothing.

    Parameters
    ----------
    request, name, region, base_url, workspace, output_dir, max_cost, private, **parameters
        As :func:`wan_notebook.submit`. Nothing is written, except that a picture which is in no file as it would be
        sent (an array, a photograph that is turned upright, ...) is kept in ``output_dir/inputs``, so that the commands
        find it.
    api_key, embed, yes, force
        Accepted, so that a call of ``submit`` can be tried as it is; not used.

    Returns
    -------
    DryRun
        Shows itself in a notebook; ``print`` it elsewhere. ``.body``, ``.curl``, ``.sdk``, ``.cost``,
        ``.predicted_size``, ``.problems``, ``.as_dict()``.

    Raises
    ------
    InvalidRequestError
        All problems of the request at once. What only the region does not take is in ``problems`` instead.
    ConfigurationError
        Unknown region, unusable base URL.

    Examples
    --------
    >>> dry = dry_run(prompt="The cat looks up.", image="https://example.com/cat.png", seed=7, region="singapore")
    >>> str(dry.cost), dry.body["parameters"]
    ('about 0.25 USD', {'resolution': '720P', 'duration': 5, 'audio': True, 'seed': 7})
    """
    api_key = seal(api_key)
    arguments.check_types(
        name=name,
        region=region,
        api_key=api_key,
        base_url=base_url,
        workspace=workspace,
        output_dir=output_dir,
        embed=embed,
        yes=yes,
        force=force,
        max_cost=max_cost,
        private=private,
    )
    return rehearse(
        arguments.requested(request, parameters),
        name=name,
        region=region,
        base_url=base_url,
        workspace=workspace,
        output_dir=output_dir,
        max_cost=max_cost,
        private=private,
    )


def rehearse(
    request: I2VRequest,
    *,
    name: str | None = None,
    region: str | None = None,
    base_url: str | None = None,
    workspace: str | None = None,
    output_dir: str | Path | None = None,
    max_cost: float | str | None = None,
    budget: str | None = None,
    project_budget: str | None = None,
    project: str | Path | None = None,
    private: bool = False,
    notes: Sequence[str] = (),
) -> DryRun:
    """What the magic, the form, the command line and :func:`dry_run` have in common.

    Parameters
    ----------
    notes : sequence of str
        What else is known of such a request.
    """
    settings = arguments.settings(region, Secret(UNREAD_KEY), base_url, workspace)
    problems = region_problems(request, where := region_of(settings))
    real = ""
    try:
        real = address_of(where, settings) or ""
        address = real or f"http://127.0.0.1:{SIMULATOR_PORT}/api/v1"
    except ConfigurationError as error:
        problems.append(Problem("region", where, error.message.rstrip("."), fix=error.hint))
        address = catalog().region(where).workspace_base_url or ""
    above = upload_above(request, uploads=catalog().region(where).uploads)
    outputs = arguments.outputs(output_dir)
    try:
        media, files = _media(request, above, outputs)
    except InvalidRequestError as error:
        if above is not None or request.upload == "base64":
            raise
        # Too large for base64, and the region has no uploads: shown as it would go out where they are.
        problems += [found for found in error.problems if found.field not in {known.field for known in problems}]
        media, files = _media(request, request.spec.image.base64_bytes, outputs)
    framed = _framed_later(request)
    for item in framed:
        media[item] = replace(media[item], url=f"({item}: fetched and framed at the submit)")
    seed = EXAMPLE_SEED if request.seed is None else request.seed
    body, _ = encode(request, seed=seed, media=media)
    sent, _ = encode(request, seed=seed, media=_stored(media))
    uploads = [item for item in media.values() if item.how == "oss" and item.url is None]
    headers = submit_headers(body)
    if workspace_header(settings, address):
        headers["X-DashScope-WorkSpace"] = WORKSPACE
    cost = pricing.estimate(request, *tariff(settings))
    before = paid_before(request, media, where, public := without_workspace(real))
    terms = arguments.terms(
        force=False, yes=False, max_cost=max_cost, budget=budget, project_budget=project_budget, project=project
    )
    if not before:
        simulated = True if where == SIMULATOR else None if is_loopback(real) else False
        limit = limit_problem(
            cost, terms, terms.folder or frontend.notebook_folder(), simulated=simulated, endpoint=public
        )
        problems += [limit] if limit else []
    saving = pricing.saving_of_silence(request, cost.region)
    said = [
        *before,
        *request.notes,
        *_defaults(request),
        *(note for item in media.values() for note in item.notes if note != stored(item.name)),
        *([phrases.silence(cost, saving)] if saving else []),
        *map(_uploaded(request.model), uploads),
        *(FETCHED.format(name=f.name) for f in request.media_facts.values() if needs_fetching(request, f)),
        *phrases.unpriced(cost),
        *([ASKS_FIRST] if cost.amount is None and where != SIMULATOR else []),
        *([OWN_SIMULATOR] if where == SIMULATOR and settings.base_url is None else []),
        *notes,
    ]
    return DryRun(
        request=request,
        region=where,
        call=Call(
            base_url=_without(settings, address),
            headers=headers,
            body=_light(body),
            files=files,
            example_seed=request.seed is None,
            unsettled=UNSETTLED.format(f"{' and '.join(framed)} {'is' if len(framed) == 1 else 'are'}")
            if framed
            else "",
        ),
        body_bytes=chunks(sent)[0],
        media=tuple(_light(item) for item in media.values()),
        asked=Asked(request, seed, "an example: drawn at submit"),
        cost=cost,
        simulated=where == SIMULATOR,
        notes=tuple(dict.fromkeys(said)),
        problems=tuple(problems),
        name=name,
        private=private or bool(frontend.preferences().get("private")),
    )


def _framed_later(request: I2VRequest) -> list[str]:
    """The pictures whose address is not what is sent: a submit fetches them, and crops, pads or fits them."""
    asked = request.framing.crop or request.framing.pad or request.framing.fit
    return [name for name, facts in request.media_facts.items() if asked and needs_fetching(request, facts)]


def _media(request: I2VRequest, above: int | None, outputs: Path) -> tuple[dict[str, SentMedia], dict[str, str]]:
    """Every medium as it would be sent, and for each with bytes of its own a file that holds exactly these."""
    media, files = {}, {}
    for name, facts in request.media_facts.items():
        item = media[name] = provide(request, facts, max_raw_base64=above)
        if item.data is not None and item.sha256:
            files[item.sha256] = _file(item, facts.source, outputs)
    return media, files


def _defaults(request: I2VRequest) -> Iterator[str]:
    """What would be made and billed if our default were not sent."""
    ours, theirs = request.effective()["resolution"], request.spec.service_resolution
    if request.resolution is None and theirs not in (None, ours):
        yield f"resolution: {ours} is our default and is sent; left out, the service would make and bill {theirs}"


def _stored(media: Mapping[str, SentMedia]) -> dict[str, SentMedia]:
    """The media as the body holds them after the uploads."""
    return {
        name: replace(item, url=item.url or UPLOADED) if item.how == "oss" else item for name, item in media.items()
    }


def _file(item: SentMedia, source: object, outputs: Path) -> str:
    """Where the exact bytes of a medium are: in the file it came from, or kept as a submit would keep them."""
    if not isinstance(source, Path) or source.read_bytes() != item.data:
        source = keep_input(outputs, item)
    path = Path(str(source))
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _light(part: Any) -> Any:
    """A body whose media keep no more of their bytes than is shown."""
    if isinstance(part, SentMedia):
        return replace(part, data=(part.data or b"")[:HEAD])
    if isinstance(part, dict):
        return {name: _light(value) for name, value in part.items()}
    return [_light(value) for value in part] if isinstance(part, list) else part


def _without(settings: Settings, address: str) -> str:
    """The base URL without the id of the workspace, which the commands read from the environment."""
    known = address.replace(f"//{settings.workspace}.", f"//{WORKSPACE}.") if settings.workspace else address
    return without_workspace(known)


def _uploaded(model: str) -> Callable[[SentMedia], str]:
    hours = catalog().service.upload_seconds // 3600
    return lambda item: (
        f"{item.name} ({file_size(item.bytes)}) would be uploaded first: free, kept {hours} h, for {model} only"
    )
