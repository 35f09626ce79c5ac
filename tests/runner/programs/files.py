"""Files that nobody closes: Python writes them out at its end. All are called `out.txt`."""

from __future__ import annotations

FILES = {
    "a file that is not closed": """
        f = open('out.txt', 'w')
        f.write('text')
    """,
    "a file that is not closed before an exception": """
        f = open('out.txt', 'w')
        f.write('text')
        1 / 0
    """,
    "a file that is not closed before sys.exit": """
        import sys
        f = open('out.txt', 'w')
        f.write('text')
        sys.exit(0)
    """,
    "a file that a function left open": """
        import csv
        def start():
            writer = csv.writer(open("out.txt", "w"))
            writer.writerow([1, 2])
            return writer
        writer = start()
    """,
    "a file that an object left open": """
        class Report:
            def __init__(self): self.file = open("out.txt", "w")
            def add(self, line): self.file.write(line)
        report = Report()
        report.add("text")
    """,
    "a compressed file that is not closed": """
        import gzip, io
        f = io.TextIOWrapper(gzip.GzipFile('out.txt', 'wb', mtime=0))
        f.write('text')
    """,
    "an archive that is not closed": """
        import zipfile
        z = zipfile.ZipFile('out.txt', 'w')
        z.writestr(zipfile.ZipInfo('name'), 'text')
    """,
    "a file of a module of the user's": """
        open("helper.py", "w").write("log = open('out.txt', 'w')\\nlog.write('text')")
        import helper
    """,
    "a log file": """
        import logging
        logging.basicConfig(filename='out.txt', format='%(message)s')
        logging.error('text')
    """,
    "standard output in a file": """
        import sys
        sys.stdout = open('out.txt', 'w')
        print('text')
    """,
}
