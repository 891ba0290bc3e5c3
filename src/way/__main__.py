"""`python -m way`, and `python -I -S …/way` as the token helper runs it."""

import sys

if not __package__:
    # Started as a folder: its own modules must not stand in for the standard library's.
    sys.path[0] = sys.path[0].rpartition("/")[0] or sys.path[0].rpartition("\\")[0]

from way.cli import main

main()
