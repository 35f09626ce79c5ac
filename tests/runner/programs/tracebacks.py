"""Errors that Python tells, with the user's lines."""

from __future__ import annotations

TRACEBACKS = {
    "through functions": """
        def outer(value):
            return inner(value) + 1


        def inner(value):
            # a comment
            return 1 / value

        print(outer(0))
    """,
    "through the standard library": """
        import json

        json.loads('{')
    """,
    "chained": """
        try:
            {}["key"]
        except KeyError as error:
            raise RuntimeError("while handling") from error
    """,
    "while handling": """
        def fail():
            try:
                int("x")
            except ValueError:
                undefined_name
        fail()
    """,
    "with a suggestion": """
        import math
        math.squrt(2)
    """,
    "with notes": """
        error = ValueError('x')
        error.add_note('a note')
        raise error
    """,
    "in a group": "raise ExceptionGroup('several', [ValueError(1), TypeError(2)])",
    "of an exception of one's own": """
        class Own(Exception): pass
        raise Own('text', 2)
    """,
    "of an exception that cannot be printed": """
        class Odd(Exception):
            def __str__(self): raise ValueError("no")
        raise Odd()
    """,
    "of an assertion": """
        x = 1
        assert x == 2, f'x is {x}'
    """,
    "of a syntax error": """
        print('not printed')
        if True
            pass
    """,
    "of an indentation error": """
        def f():
        print(1)
    """,
    "of an unfinished string": "x = 'abc",
    "of a syntax error in a string": "exec('1 +')",
    "of a syntax error in a module": """
        open('broken.py', 'w').write('def')
        import broken
    """,
    "of a module that is missing": "import no_such_module",
    "of a name that is missing": "from json import no_such_name",
    "of a recursion without end": """
        def f(n):
            return f(n + 1)
        f(0)
    """,
    "of a thread": """
        import threading
        def fail(): raise ValueError("in a thread")
        thread = threading.Thread(target=fail, name="worker")
        thread.start()
        thread.join()
        print("still here")
    """,
    "of an object that is thrown away": """
        class Odd:
            def __del__(self): raise ValueError("in __del__")
        Odd.__del__.__qualname__ = "Odd.__del__"
        import sys
        sys.unraisablehook = lambda info: print("unraisable:", info.exc_value)
        Odd()
    """,
    "asked for": """
        import traceback
        try:
            1 / 0
        except ZeroDivisionError:
            traceback.print_exc()
    """,
    "after unusual line ends": "x = '''a\x0cb\x1cc\u2028d\x85e'''\n1 / 0  # line two\n",
    "after DOS line ends": "x = 1\r\n\r\n1 / 0\r\n",
    "after a byte order mark": "\ufeffprint('x')\n1 / 0\n",
    "after a coding line": """
        # -*- coding: utf-8 -*-
        print('ü')
        1 / 0
    """,
    "of warnings": """
        import warnings
        warnings.warn('look out')
        def f():
            warnings.warn('deep', stacklevel=2)
        f()
    """,
    "of a deprecation": """
        import warnings
        warnings.warn('old', DeprecationWarning)
    """,
}
