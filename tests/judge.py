"""The community's validator, asked offline about a crate; a process of its own: ``python judge.py CRATE CACHE``.

The one document it would fetch is put into its HTTP cache first: the context file that ``rocrate`` ships. (That is the
context of a later version than the crate's, which knows every term of the earlier one.)
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

CONTEXT = "https://w3id.org/ro/crate/1.1/context"


def seed(cache: str) -> None:
    """Put the context into the validator's HTTP cache."""
    import rocrate
    from requests.adapters import HTTPAdapter
    from requests_cache import CachedSession
    from urllib3 import HTTPResponse

    shipped = (Path(rocrate.__file__).parent / "data" / "ro-crate.jsonld").read_bytes()

    class Shipped(HTTPAdapter):
        def send(self, request, **how):  # noqa: ARG002  its protocol
            raw = HTTPResponse(
                body=io.BytesIO(shipped),
                headers={"Content-Type": "application/ld+json"},
                status=200,
                preload_content=False,
                request_url=request.url,
            )
            return self.build_response(request, raw)

    with CachedSession(cache_name=cache, backend="sqlite", expire_after=-1) as session:
        session.mount("https://", Shipped())
        session.get(CONTEXT)


def judge(crate: str, cache: str) -> dict[str, object]:
    """What the validator finds against the required checks."""
    from rocrate_validator import services
    from rocrate_validator.models import Severity, ValidationSettings

    settings = ValidationSettings(
        rocrate_uri=crate,
        profile_identifier="process-run-crate",
        requirement_severity=Severity.REQUIRED,
        offline=True,
        cache_path=cache,
        cache_max_age=-1,
    )
    result = services.validate(settings)
    return {
        "checks": len(result.executed_checks),
        "profiles": sorted({check.identifier.rpartition("_")[0] for check in result.executed_checks}),
        "failed": [f"{issue.check.identifier}: {issue.message}" for issue in result.get_issues()],
    }


if __name__ == "__main__":
    seed(sys.argv[2])
    sys.stdout.write(json.dumps(judge(sys.argv[1], sys.argv[2])))
