"""What went wrong between here and the hub, as one message with the next step.

Messages are built from the kind of failure: what a library puts into an exception can hold whole
requests, and a request holds the user's token.
"""

from __future__ import annotations

import errno

from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from sapo_analysis.errors import InputError, SapoError, WorkError
from sapo_analysis.hub.subject import Subject, endpoint
from sapo_analysis.model_files import cache_folder
from sapo_analysis.model_files.hub_cache import MAIN

_TOKENS = "https://huggingface.co/settings/tokens"


def explain(error: Exception, subject: Subject) -> SapoError:
    """The message for a failure of huggingface_hub, the HTTP library under it, or the disk."""
    if isinstance(error, SapoError):
        return error
    if isinstance(error, LocalEntryNotFoundError) and isinstance(error.__cause__, Exception):
        return explain(error.__cause__, subject)  # a wrapper around what kept it from being fetched
    if isinstance(error, OfflineModeIsEnabled):
        return _switched_off(subject)
    if isinstance(error, HfHubHTTPError):
        return _answered(error, subject)
    # The HTTP library has changed with the versions of huggingface_hub; its names have not.
    names = {cls.__name__ for cls in type(error).__mro__}
    if names & {"TimeoutException", "Timeout"}:
        return no_answer(subject)
    if names & {"RemoteProtocolError", "ReadError", "ChunkedEncodingError"}:
        return _broken_off(subject)
    if names & {"TransportError", "ConnectionError", "RequestException"}:
        return _unreachable(error, subject)
    if isinstance(error, OSError):
        return _on_disk(error, subject)
    if isinstance(error, ValueError):
        return WorkError(
            f"{endpoint()} answered something that is not the hub's: a login page of this"
            f" network, or a wrong HF_ENDPOINT? Open it in a browser, then: {subject.again}"
        )
    return WorkError(f"Asking the hub for {subject} failed: {type(error).__name__}.")


def _switched_off(subject: Subject) -> WorkError:
    """HF_HUB_OFFLINE is set, or the variable of transformers that means the same."""
    return WorkError(
        f"Asking the hub for {subject} is switched off: HF_HUB_OFFLINE (or TRANSFORMERS_OFFLINE) is"
        f" set. Unset it where there is a network, then: {subject.again}"
    )


def no_answer(subject: Subject) -> WorkError:
    """A server that takes the question and keeps silent, or a name that nobody looks up."""
    return WorkError(
        f"The hub at {endpoint()} did not answer in time; {subject} needs it."
        f" Check the network (a proxy is set by HTTPS_PROXY), or wait longer for a hub that is far"
        f" away (SAPO_HUB_SECONDS=20), then: {subject.again}"
    )


def gated(subject: Subject) -> InputError:
    """Its owners give it to those who accept their terms."""
    return InputError(
        f"{_named(subject)} is gated. Accept its terms at {subject.page}, make a read token at"
        f" {_TOKENS}, set it in the environment (HF_TOKEN), then: {subject.again}"
    )


def _unreachable(error: Exception, subject: Subject) -> WorkError:
    reason = next((f" ({e.strerror})" for e in _chain(error) if _says_why(e)), "")
    return WorkError(
        f"The hub at {endpoint()} cannot be reached{reason}; {subject} needs the network."
        " What is on this machine works without: `sapo models` lists it. With a network:"
        f" {subject.again}"
    )


def _says_why(error: BaseException) -> bool:
    return isinstance(error, OSError) and bool(error.strerror)


def _chain(error: BaseException | None) -> list[OSError]:
    found: list[OSError] = []
    while error is not None:
        if isinstance(error, OSError):
            found.append(error)
        error = error.__cause__ or error.__context__
    return found


def _answered(error: HfHubHTTPError, subject: Subject) -> SapoError:
    """An answer that is a refusal. The order matters: some kinds of error are kinds of others."""
    status = error.response.status_code
    if isinstance(error, RevisionNotFoundError):
        return InputError(
            f"{_named(subject)} has no revision {subject.revision or MAIN!r}. Its branches, tags"
            f" and commits are at {subject.page}/commits"
        )
    if isinstance(error, GatedRepoError):
        return gated(subject)
    if isinstance(error, RepositoryNotFoundError) or status == 404:
        return InputError(
            f"{_named(subject)} is not on the hub, or it is private. Check the name at"
            f" {subject.page}; of a private one set a token of its owner (HF_TOKEN)."
        )
    if status in (401, 403):
        return InputError(
            f"The hub refuses {subject} to this user ({status}). Accept its terms at {subject.page}"
            f" if it has some, and set a valid read token (HF_TOKEN; {_TOKENS}), then:"
            f" {subject.again}"
        )
    if status == 429:
        wait = error.response.headers.get("Retry-After", "")
        when = f"in {wait} s" if wait.isdigit() else "in some minutes"
        return WorkError(
            f"The hub limits how often it is asked (429). Try again {when}: {subject.again}"
            " With a token (HF_TOKEN) the limit is higher."
        )
    return WorkError(f"The hub answered {status} for {subject}. Try again later: {subject.again}")


def _named(subject: Subject) -> str:
    return f"{subject.kind.capitalize()} {subject.id!r}"


def _broken_off(subject: Subject) -> WorkError:
    return WorkError(
        f"Fetching {subject} broke off. Whole files are kept. Fetch the rest with: {subject.again}"
    )


def _on_disk(error: OSError, subject: Subject) -> SapoError:
    cache = cache_folder()
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return WorkError(
            f"No space left in {cache}. Whole files are kept. Free some, or set HF_HOME to a folder"
            f" on another disk, then: {subject.again}"
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return InputError(
            f"{cache} cannot be written ({error.strerror}). Set HF_HOME to a folder that can, then:"
            f" {subject.again}"
        )
    if error.errno is None:  # the hub's library found a file of another size than announced
        return _broken_off(subject)
    return WorkError(f"Fetching {subject} failed: {error.strerror}. Once more: {subject.again}")
