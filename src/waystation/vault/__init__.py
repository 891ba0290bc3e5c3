"""Secrets by reference: the policy names them and this room reads them.

The door: `resolve(reference, env)` → `Secret`. A `Secret` shows itself only to `reveal()`: not in `repr`,
`str`, formatting, pickles or comparisons' error messages. `open_aws(reference, region, env)` → `AwsAccount`,
for credentials that are no text but a signature on each request.
"""

from waystation.vault.aws import AwsAccount, open_aws
from waystation.vault.references import Secret, SecretUnavailable, resolve

__all__ = ["AwsAccount", "Secret", "SecretUnavailable", "open_aws", "resolve"]
