"""The bill: what the ledger's usage costs under the terms that the policy states, month by month.

`open_books` gives the ledger with prices and terms beside it; `statement.draw_up` adds a month up, `focus.rows`
writes it as FOCUS, `rerate.rerate` appends what a corrected price book changes, and `reconcile.compare` holds
it against what providers say. Months are UTC. All money is integer nano-dollars until it is printed.
"""
