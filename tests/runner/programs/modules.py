"""The main module, its neighbours, and the standard library on top of it."""

from __future__ import annotations

MODULES = {
    "names of the main module": """
        print(__name__, __file__, __doc__, __package__, __spec__, __cached__)
        print(sorted(set(globals()) - {"__annotations__"}))
        import builtins, sys
        print(__builtins__ is builtins, sys.modules["__main__"].__dict__ is globals())
    """,
    "a docstring": """
        '''What it does.'''
        print(__doc__)
    """,
    "annotations": """
        x: int = 1
        y: str
        print(__annotations__)
    """,
    "the main guard": """
        def main(): print('ran')
        if __name__ == '__main__': main()
    """,
    "arguments": """
        import sys
        print(sys.argv)
    """,
    "the module path": """
        import sys
        print(sys.path[0])
        print('' in sys.path, '/' in sys.path, len(sys.path) == len(set(sys.path)))
    """,
    "a module of the user's": """
        open('helper.py', 'w').write('x = 42')
        import helper
        print(helper.x, helper.__file__)
    """,
    "a package of the user's called app": """
        import os
        os.mkdir("app")
        open("app/__init__.py", "w").write("print('the app', __file__)")
        open("app/runner.py", "w").write("x = 1")
        import app, app.runner
        from app import runner
        print(runner.x)
    """,
    "a package of the user's with our name": """
        import os
        os.mkdir("librechat_code_interpreter")
        open("librechat_code_interpreter/__init__.py", "w").write("print('the package', __file__)")
        open("librechat_code_interpreter/runner.py", "w").write("x = 1")
        import librechat_code_interpreter.runner
        from librechat_code_interpreter import runner
        print(runner.x)
    """,
    "none of our packages": """
        import sys
        print([name for name in sys.modules if name.startswith(("app", "librechat_code_interpreter"))])
        import librechat_code_interpreter
    """,
    "the environment": """
        import os
        print(sorted((name, value) for name, value in os.environ.items() if name != "LC_CTYPE"))
        os.system("echo $HOME")
        os.environ["NEW"] = "new"
        os.system("echo $NEW")
    """,
    "the directory": """
        import os, pathlib
        print(os.getcwd(), pathlib.Path.cwd(), pathlib.Path.home())
    """,
    "the interpreter": """
        import gc, locale, signal, sys, threading
        print(sys.executable, sys.prefix, sys.flags.optimize, sys.flags.isolated, sys.getrecursionlimit())
        print(gc.isenabled(), gc.get_threshold(), gc.get_freeze_count() >= 0, sys.gettrace(), sys.getprofile())
        print(threading.current_thread(), threading.active_count(), threading.main_thread().name)
        print(signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGCHLD))
        print(locale.getpreferredencoding(), sys.getfilesystemencoding(), locale.setlocale(locale.LC_CTYPE))
    """,
    "the future": """
        from __future__ import annotations
        import typing
        class A:
            x: 'B'
        print(A.__annotations__)
    """,
    "no future of ours": """
        def f(x: 1 + 1): pass
        print(f.__annotations__)
    """,
    "dataclasses": """
        from dataclasses import dataclass, field
        @dataclass(order=True, slots=True)
        class Point:
            x: int
            tags: list[str] = field(default_factory=list)
        print(Point(1), Point(1) < Point(2), Point.__module__)
    """,
    "pickle": """
        import copy, pickle
        class Thing:
            def __init__(self, x): self.x = x
        def function(): return 1
        print(pickle.loads(pickle.dumps(Thing(7))).x, pickle.loads(pickle.dumps(function))(), copy.deepcopy(Thing(8)).x)
        print(Thing, function.__module__)
    """,
    "source of a function": """
        import inspect
        def f(x):
            '''Doc.'''
            return x
        print(inspect.getsource(f), inspect.getfile(f))
    """,
    "source of a class": """
        import inspect
        class A:
            x = 1
            def f(self): pass
        print(inspect.getsource(A), inspect.getsourcelines(A.f))
    """,
    "source of the caller": """
        import inspect
        frame = inspect.stack()[0]
        print(frame.filename, frame.lineno, frame.code_context)
    """,
    "type hints": """
        import typing
        class A:
            other: 'A'
        print(typing.get_type_hints(A))
    """,
    "enums": """
        from enum import Enum, auto
        class C(Enum):
            RED = auto()
        print(C.RED, repr(C.RED), list(C))
    """,
    "logging": """
        import logging
        logging.warning('w')
        logging.basicConfig(level=logging.INFO)
        logging.getLogger('x').info('i')
    """,
    "doctest": """
        import doctest
        def f():
            '''
            >>> f()
            2
            '''
            return 1
        print(doctest.testmod().failed)
    """,
    "unittest": """
        import sys, unittest
        class Test(unittest.TestCase):
            def test(self): self.assertEqual(1, 2)
        result = unittest.main(exit=False, testRunner=unittest.TextTestRunner(stream=open("log", "w"))).result
        print(result.testsRun, len(result.failures))
    """,
    "asyncio": """
        import asyncio
        async def main():
            await asyncio.sleep(0)
            return 1
        print(asyncio.run(main()))
    """,
    "an async program in error": """
        import asyncio
        async def main():
            1 / 0
        asyncio.run(main())
    """,
    "sqlite": """
        import sqlite3
        db = sqlite3.connect('d.db')
        db.execute('create table t (x)')
        print(db.execute('select * from t').fetchall())
    """,
    "temporary files": """
        import tempfile, os
        with tempfile.NamedTemporaryFile() as f:
            print(os.path.exists(f.name))
    """,
    "zip files": """
        import zipfile
        with zipfile.ZipFile('a.zip', 'w') as z:
            z.writestr('x', 'y')
        print(zipfile.ZipFile('a.zip').namelist())
    """,
    "time zones": """
        import datetime, zoneinfo
        print(datetime.datetime(2024, 1, 1, tzinfo=zoneinfo.ZoneInfo('Europe/Berlin')))
    """,
    "eval and exec": """
        x = 1
        exec('x += 1')
        print(eval('x'), [x for _ in range(1)])
    """,
    "class scope": """
        x = 1
        class A:
            y = [x for _ in range(2)]
        print(A.y, A.__qualname__)
    """,
    "what is no module among the modules": """
        import sys, types
        class Lib:
            __slots__ = ()
            __class__ = property(lambda self: types.ModuleType)
        sys.modules.update(number=42, nothing=None, lib=Lib())
        print("end")
    """,
    "the main module imported": """
        import __main__
        x = 5
        print(__main__.x, __main__)
    """,
}
