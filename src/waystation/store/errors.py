"""Why the control state cannot be opened. Each message says what to do, and holds no password."""


class StoreError(RuntimeError):
    """The base of the others."""


class SealError(StoreError):
    """What was sealed cannot be opened with this key file, or the file is unfit."""


class SchemaTooNew(StoreError):
    """The database belongs to a newer Waystation than this one."""


class DriverMissing(StoreError):
    """The database's Python driver is not installed."""


class StoreUnreachable(StoreError):
    """The database does not answer, or does not let us in."""
