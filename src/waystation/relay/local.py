"""What the gateway answers itself: model lists."""

from waystation.model import Principal, Refusal, RefusalKind
from waystation.policy import Plan
from waystation.relay.addresses import Address
from waystation.relay.downstream import Header
from waystation.wire import model_list, model_shape, refusal_response

_JSON = (b"content-type", b"application/json")


def answer_locally(
    plan: Plan, principal: Principal, address: Address, query: bytes = b""
) -> tuple[int, list[Header], bytes]:
    """The models that this principal may use, in the surface's own shape; or one of them, by name or alias.

    `query` may ask for a page of the list. Raises BadBody where there can be no such page.
    """
    if address.model is None:
        entries = plan.models_for(principal, address.surface)
        return 200, [_JSON], model_list(address.surface, entries, query)
    entry = plan.model_for(principal, address.surface, address.model)
    if entry is not None:
        return 200, [_JSON], model_shape(address.surface, entry)
    refusal = Refusal(
        RefusalKind.NOT_FOUND,
        f"There is no model {address.model[:100]!r} here that you may use: list them at this address without the name.",
        rule="models",
    )
    return refusal_response(address.wire, refusal, "")
