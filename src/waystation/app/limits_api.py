"""`/api/v1/me/limits`: what somebody has left of the budgets and limits that cover them."""

import asyncio
import time

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from waystation.app.limits import LimitsKeeper
from waystation.app.plan import PlanKeeper
from waystation.identity import Identity, problem
from waystation.limits import Who
from waystation.model import PrincipalKind, Refusal


def limits_routes(home: Identity, keeper: PlanKeeper, limits: LimitsKeeper) -> list[Route]:
    async def mine(request: Request) -> Response:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            principal = home.verifier.verify(token.strip().encode())
        else:
            found = await asyncio.to_thread(home.browsers.principal, request)
            principal = home.verifier.verify(b"") if found is None else found
        if isinstance(principal, Refusal):
            challenge = 'Bearer realm="waystation", error="invalid_token"'
            return problem(401, principal.kind.value, principal.message, {"WWW-Authenticate": challenge})
        standing = keeper.plan.standing(principal)
        service = principal.kind is PrincipalKind.SERVICE
        who = Who(principal.id, principal.name, service, standing.groups, standing.cost_center)
        body = {"limits": limits.of(who), "contact": keeper.plan.rules.contact, "server_time": time.time()}
        return JSONResponse(body, headers={"Cache-Control": "no-store"})

    return [Route("/api/v1/me/limits", mine, methods=["GET"])]
