"""What the gateway answers itself: model lists."""

import msgspec

from waystation.model import Principal, Refusal, RefusalKind
from waystation.policy import Plan
from waystation.relay.addresses import Address
from waystation.relay.downstream import Header
from waystation.wire import model_list, refusal_response

_JSON = (b"content-type", b"application/json")


def answer_locally(plan: Plan, principal: Principal, address: Address) -> tuple[int, list[Header], bytes]:
    """The models that this principal may use, in the surface's own shape; or one of them by name."""
    entries = plan.models_for(principal, address.surface)
    if address.model is None:
        return 200, [_JSON], model_list(address.surface, entries)
    for entry in entries:
        if entry.id == address.model:
            listed = msgspec.json.decode(model_list(address.surface, (entry,)))
            return 200, [_JSON], msgspec.json.encode((listed.get("data") or listed["models"])[0])
    refusal = Refusal(
        RefusalKind.NOT_FOUND,
        f"There is no model {address.model[:100]!r} here that you may use: list them at this address without the name.",
        rule="models",
    )
    return refusal_response(address.wire, refusal, "")
