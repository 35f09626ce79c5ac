"""The three streams, and what programs do to them."""

from __future__ import annotations

STREAMS = {
    "input()": """
        print('before')
        name = input('name? ')
    """,
    "sys.stdin": """
        import sys
        print(repr(sys.stdin.read()), list(sys.stdin), sys.stdin.isatty(), sys.stdin.fileno())
    """,
    "reading lines": """
        for line in open(0): print(line)
        print('end')
    """,
    "properties of the streams": """
        import sys
        for stream in sys.stdin, sys.stdout, sys.stderr:
            print(stream.name, stream.mode, stream.encoding, stream.errors, stream.isatty(), stream.fileno())
            print(stream.closed, stream.readable(), stream.writable(), stream.write_through, stream.newlines)
        print(sys.stdout is sys.__stdout__, sys.stderr is sys.__stderr__, sys.stdin is sys.__stdin__)
    """,
    "bytes": """
        import sys
        sys.stdout.buffer.write(b'\\xff\\x00bytes\\n')
        sys.stdout.write('text\\n')
        sys.stdout.buffer.flush()
    """,
    "text that is no text": """
        print('\\udcff')
        print('\\ud800')
    """,
    "text that is no text on stderr": """
        import sys
        print('\\udcff\\ud800', file=sys.stderr)
    """,
    "mixed with writes": """
        import os
        print('a', end='')
        os.write(1, b'b')
        print('c')
    """,
    "reconfigured": """
        import sys
        sys.stdout.reconfigure(errors='replace', encoding='ascii')
        print('ü')
    """,
    "detached": """
        import io, sys
        sys.stdout = io.TextIOWrapper(sys.stdout.detach(), encoding="utf-8")
        print("ü")
    """,
    "replaced": """
        import io, sys
        sys.stdout = io.StringIO()
        print('lost')
    """,
    "redirected": """
        import contextlib, io
        with contextlib.redirect_stdout(io.StringIO()) as out:
            print("caught")
        print(repr(out.getvalue()))
    """,
    "stdout closed at the end": """
        import sys
        print('kept')
        sys.stdout.close()
    """,
    "stderr closed at the end": """
        import sys
        sys.stderr.close()
    """,
    "stdout is nothing": """
        import sys
        sys.stdout = None
        print('lost')
    """,
    "stdout is gone": """
        import sys
        del sys.stdout
    """,
    "print after stdout was closed": """
        import sys
        sys.stdout.close()
        print('lost')
    """,
    "an exception after stderr was closed": """
        import sys
        sys.stderr.close()
        1 / 0
    """,
    "an exception when stderr is nothing": """
        import sys
        sys.stderr = None
        1 / 0
    """,
    "words for sys.exit after stderr was closed": """
        import sys
        sys.stderr.close()
        sys.exit('lost')
    """,
    "print after descriptor 1 was closed": """
        import os
        os.close(1)
        print('lost')
    """,
    "a stdout that is full at the end": """
        import sys
        sys.stdout = open('/dev/full', 'w')
        print('lost')
    """,
    "a stdout whose flush fails": """
        import sys
        class Odd:
            def write(self, text): pass
            def flush(self): raise OSError("no")
        sys.stdout = Odd()
    """,
    "a stdout that must be flushed": """
        import sys
        sys.stdout = open(1, "w", buffering=10000, closefd=False)
        print("flushed at the end")
    """,
    "the device": """
        open('/dev/stdout', 'w').write('through the device\\n')
        open('/dev/stderr', 'w').write('also\\n')
    """,
}
