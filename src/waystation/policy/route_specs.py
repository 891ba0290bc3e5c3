"""Routes, smart routes and the section `routing` of the policy document: their fields, and what each is for."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from waystation.policy.spec_names import GroupName, ModelName, Tool


class RouteSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One place that requests for a model can go."""

    provider: Annotated[str, Meta(description="Which of `providers`.")]
    model: Annotated[
        ModelName | None,
        Meta(
            description="The provider's own model id (or deployment); unset: the name that was asked for. "
            "`{model}` in it stands for that name."
        ),
    ] = None
    weight: Annotated[
        Annotated[int, Meta(ge=1, le=10_000)],
        Meta(description="Share of requests among routes of the same priority."),
    ] = 1
    priority: Annotated[Annotated[int, Meta(ge=0, le=1_000)], Meta(description="Lower is tried first.")] = 0
    max_in_flight: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(
            description="Requests under way to it at once, from one gateway process; more go to the others."
        ),
    ] = None


class ChoiceSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One line of a smart route: which model, for which requests. All conditions that are set must hold."""

    model: Annotated[
        ModelName | Annotated[tuple[ModelName, ...], Meta(min_length=1)],
        Meta(
            description="A model of this policy; of several, the first that the person may use, or see `by`."
        ),
    ]
    by: Annotated[
        Literal["order", "latency"],
        Meta(description="Of several models: in the order given, or the one that lately answered soonest."),
    ] = "order"
    side_call: Annotated[
        tuple[Literal["title", "summary", "check"], ...],
        Meta(
            description="What coding tools ask beside their conversation: a title for it, a summary to go on from, "
            "a small question with a one-word answer."
        ),
    ] = ()
    prompt_over: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="The prompt has more tokens than this (estimated)."),
    ] = None
    prompt_under: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="The prompt has fewer tokens than this (estimated)."),
    ] = None
    images: Annotated[bool | None, Meta(description="There are images in it, or there are none.")] = None
    tools: Annotated[
        bool | None, Meta(description="The request declares tools for the model, or it declares none.")
    ] = None
    agents: Annotated[
        tuple[Tool, ...], Meta(description="The coding tools that ask: `claude`, `codex`, …")
    ] = ()
    groups: Annotated[tuple[GroupName, ...], Meta(description="Groups, one of which the person is in.")] = ()


class RoutingSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How requests are spread over a model's routes, and what happens when one of them fails."""

    attempts: Annotated[
        Annotated[int, Meta(ge=1, le=10)], Meta(description="Tries of one request, over all its routes.")
    ] = 4
    patience: Annotated[
        Annotated[float, Meta(ge=0, le=300)],
        Meta(
            description="Seconds that a request may wait between its tries, all waits together. The tool waits "
            "meanwhile, and has a time-out of its own."
        ),
    ] = 10.0
    backoff: Annotated[
        Annotated[float, Meta(gt=0, le=60)],
        Meta(description="Seconds before a route that has just failed is tried again; doubled each time."),
    ] = 0.3
    failures: Annotated[
        Annotated[int, Meta(ge=1)],
        Meta(description="So many failed attempts within `window_seconds` take a route out of service…"),
    ] = 5
    failure_rate: Annotated[
        Annotated[float, Meta(gt=0, le=1)], Meta(description="…if they are at least this share of all.")
    ] = 0.5
    window_seconds: Annotated[Annotated[float, Meta(gt=0, le=3600)], Meta(description="See `failures`.")] = (
        30.0
    )
    open_seconds: Annotated[
        Annotated[float, Meta(gt=0, le=300)],
        Meta(
            description="How long it stays out at first; then one request tries it. Doubled each time in a row, up "
            "to five minutes."
        ),
    ] = 10.0
    stall_seconds: Annotated[
        Annotated[float, Meta(gt=0, le=600)],
        Meta(
            description="Silence before the first word of an answer after which the next route is tried, if there is "
            "one. Models that think can be silent for a minute."
        ),
    ] = 60.0
    slow_factor: Annotated[
        Annotated[float, Meta(gt=1)],
        Meta(
            description="A route this many times slower to its first word than the fastest beside it goes last."
        ),
    ] = 4.0
    affinity: Annotated[
        Literal["session", "none"],
        Meta(
            description="Keep a session's requests on one route while it is healthy, for the provider's prompt "
            "cache and its sealed reasoning."
        ),
    ] = "session"
