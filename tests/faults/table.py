"""Prints the table of one or several reports: table.py build/faults/report-1.json build/faults/report-2.json"""

import pathlib
import sys

import report

if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    print(report.markdown(report.read([pathlib.Path(path) for path in sys.argv[1:]])))
