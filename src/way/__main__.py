"""`python -m way`, and `python -I -S …/way/__main__.py` as launcher and token helper run it."""

import sys

if not __package__:
    # Started as a file or folder: our own modules must not stand in for the standard library's.
    _here = __file__.replace("\\", "/").rpartition("/")[0]
    sys.path[:] = [
        _here.rpartition("/")[0],
        *(entry for entry in sys.path if entry.replace("\\", "/") != _here),
    ]

from way.cli import main

main()
