"""A rough token count for what no provider has counted."""


def estimate_tokens(n_bytes: int) -> int:
    """Tokens that a prompt of `n_bytes` bytes of JSON may come to: one for every three bytes, rounded up.

    Biased high on purpose, so that a budget is not overdrawn by a request that it let pass: English prose is
    about 4.5 bytes a token and code about 3.5, and the JSON around them counts here too; Chinese and Japanese
    are about 3 bytes a token. Inline images and files (base64) come out many times too high.
    """
    return -(-n_bytes // 3) if n_bytes > 0 else 0
