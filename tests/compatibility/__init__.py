"""What works with what: gathered from the tests that pass, written down in docs/compatibility.md.

A test says what it proves by the marker `feature`, or by the fixture `proves`; `plugin` keeps what passed,
`report` makes the page of it, and `./test` fails where the committed page says anything else:

    python -m tests.compatibility          compare the page with the results of the last test runs
    python -m tests.compatibility write    write it
"""

from typing import NamedTuple


class Feature(NamedTuple):
    title: str
    what: str
    """What the tests look at."""


FEATURES = {
    "text": Feature("text", "the words of the answer reach the person"),
    "tools": Feature("tools", "files are created, read and edited by the tool's own means, each call once"),
    "parallel": Feature("parallel calls", "several calls in one answer, all run and all answered"),
    "thinking": Feature(
        "thinking", "the model thinks, and gets its thoughts back with their seals in every later request"
    ),
    "provided": Feature(
        "provider's tools",
        "tools that the provider runs (web search): what is not there is left out, and said",
    ),
    "usage": Feature("usage", "every token is counted, by what the provider says"),
    "images": Feature("images", "pictures in messages and in results of tools reach the model"),
    "caching": Feature(
        "caching", "the second request with the same beginning is served from the cache, and says so"
    ),
    "errors": Feature(
        "errors",
        "a full context window and a rate limit are said in the words by which the tool compacts and waits",
    ),
    "counting": Feature("token counts", "the tool's question for a count is answered"),
}
