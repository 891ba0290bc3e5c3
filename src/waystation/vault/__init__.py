"""Secrets by reference: the policy names them and this room reads them.

The door: `resolve(reference, env)` → `Secret`. A `Secret` shows itself only to `reveal()`: not in `repr`,
`str`, formatting, pickles or comparisons' error messages.
"""

from waystation.vault.references import Secret, SecretUnavailable, resolve

__all__ = ["Secret", "SecretUnavailable", "resolve"]
