"""What providers say was used and what it cost: readers of the files that they document.

`read(path, text)` finds out which one a file is and gives a `Report`, each row with its line. Whatever is not as
documented is a `BadReport` that names file, line and field.
"""

from waystation.billing.reports.reading import read
from waystation.billing.reports.report import BadReport, Report, Stated

__all__ = ["BadReport", "Report", "Stated", "read"]
