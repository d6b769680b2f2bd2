"""Answers of an index that something is wrong with."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from support.local_index import JSON_TYPE, Answer, metadata_text, wheel_bytes

PORTAL = b"<html><body><h1>Sign in</h1></body></html>"


def not_found(_: Answer) -> Answer:
    return Answer(404)


def forbidden(_: Answer) -> Answer:
    return Answer(403)


def unauthorized(_: Answer) -> Answer:
    return Answer(401, headers={"WWW-Authenticate": 'Basic realm="index"'})


def unavailable(_: Answer) -> Answer:
    return Answer(503)


def cut(answer: Answer) -> Answer:
    return replace(answer, cut_at=len(answer.body) // 2)


def another_file(answer: Answer) -> Answer:
    metadata = metadata_text("demo", "1.1")
    return replace(answer, body=wheel_bytes("demo-1.1", metadata, {"demo.py": "other\n"}, {}, "py3-none-any"))


def flipped(answer: Answer) -> Answer:
    middle = answer.body.index(b"works = ")
    return replace(answer, body=answer.body[:middle] + b"W" + answer.body[middle + 1 :])


def portal(_: Answer) -> Answer:
    return Answer(200, PORTAL, "text/html")


def redirected(_: Answer) -> Answer:
    return Answer(302, headers={"Location": "/files/again.whl"})


def redirected_page(_: Answer) -> Answer:
    return Answer(302, headers={"Location": "/simple/demo/"})


def too_many(_: Answer) -> Answer:
    return Answer(429, headers={"Retry-After": "1"})


def too_many_for_an_hour(_: Answer) -> Answer:
    return Answer(429, headers={"Retry-After": "3600"})


def once_too_many() -> Callable[[Answer], Answer]:
    left = [1]
    return lambda answer: too_many(answer) if left and left.pop() else answer


def huge(_: Answer) -> Answer:
    return Answer(200, b" " * 80_000_000, JSON_TYPE)


def nested(_: Answer) -> Answer:
    return Answer(200, b'{"files":' * 100_000, JSON_TYPE)


def garbage(_: Answer) -> Answer:
    return Answer(200, b"\x00\xff\xfe{" * 1000, JSON_TYPE)


def larger(_: Answer) -> Answer:
    return Answer(200, b" " * 300_000_000, JSON_TYPE)


def undecodable(answer: Answer) -> Answer:
    return replace(answer, headers={"Content-Encoding": "gzip"})


def far_dates(answer: Answer) -> Answer:
    return replace(answer, body=answer.body.replace(b"2021-", b"99999-"))


def other_types(answer: Answer) -> Answer:
    return replace(answer, body=b'{"meta": {"api-version": "1.0"}, "name": 5, "files": {"a": []}}')


def stalled(answer: Answer) -> Answer:
    return replace(answer, cut_at=len(answer.body) // 2, stalls=True)


def dripping(answer: Answer) -> Answer:
    return replace(answer, drips_s=5.0)


def named_by_an_attacker(answer: Answer) -> Answer:
    """All releases but one are yanked, for a reason with an escape and an override of the direction in it."""
    reason = "\x1b]0;owned\x07 \u202e \x9b2J"
    page = json.loads(answer.body)
    for file in page["files"]:
        file["yanked"] = "1.1" not in file["filename"] and reason
    return replace(answer, body=json.dumps(page).encode())
