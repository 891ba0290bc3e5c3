"""From one protocol to another and back: what one can say and the other cannot is settled here.

The door is `Translation`: made for one attempt at one route, it gives the body to send, the tap that turns the
provider's stream into the tool's, and the tool's shape for a whole answer.
"""

from waystation.wire.translate.translation import Translation, holds_envelopes, translatable

__all__ = ["Translation", "holds_envelopes", "translatable"]
