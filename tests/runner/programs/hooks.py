"""Code that runs after the last line."""

from __future__ import annotations

HOOKS = {
    "an exception hook": """
        import sys
        def hook(kind, value, trace): print("hook:", kind.__name__, value, trace.tb_lineno)
        sys.excepthook = hook
        1 / 0
    """,
    "an exception hook that fails": """
        import sys
        def hook(*_): raise ValueError("in the hook")
        sys.excepthook = hook
        1 / 0
    """,
    "an exception hook that exits": """
        import sys
        sys.excepthook = lambda *_: sys.exit(8)
        1 / 0
    """,
    "no exception hook": """
        import sys
        del sys.excepthook
        1 / 0
    """,
    "exit handlers": """
        import atexit
        atexit.register(print, "registered first")
        atexit.register(print, "registered last")
        print("end")
    """,
    "exit handlers after an exception": """
        import atexit
        atexit.register(print, 'handler')
        1 / 0
    """,
    "exit handlers after sys.exit": """
        import atexit, sys
        atexit.register(print, 'handler')
        sys.exit(3)
    """,
    "an exit handler that fails": """
        import atexit
        atexit.register(lambda: 1 / 0)
        atexit.register(print, 'other')
    """,
    "an exit handler that exits": """
        import atexit, sys
        atexit.register(sys.exit, 3)
        print('end')
    """,
    "threads that outlive the main one": """
        import threading, time
        def work():
            while threading.main_thread().is_alive():
                time.sleep(0.001)
            print("thread")
        threading.Thread(target=work).start()
        print("main")
    """,
    "threads and exit handlers": """
        import atexit, threading
        gate = threading.Event()
        atexit.register(print, "handler")
        threading.Thread(target=lambda: (gate.wait(), print("thread"))).start()
        threading.Timer(0.01, gate.set).start()
        print("main")
    """,
    "a daemon thread": """
        import threading, time
        threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
        print("main")
    """,
    "an executor": """
        from concurrent.futures import ThreadPoolExecutor
        pool = ThreadPoolExecutor(1)
        pool.submit(print, "submitted")
        pool.submit(print, "submitted")
    """,
    "finalizers": """
        import weakref
        class Thing: pass
        thing = Thing()
        weakref.finalize(thing, print, "finalized")
        print("end")
    """,
    "an object that is alive at the end": """
        class Thing:
            def __del__(self): print("gone")
        thing = Thing()
        print("end")
    """,
    "objects in a cycle at the end": """
        class Thing:
            def __del__(self): print("gone")
        thing = Thing()
        thing.itself = thing
        del thing
        print("end")
    """,
    "a generator that is suspended at the end": """
        def numbers():
            try:
                yield 1
            finally:
                print("closed")
        numbers = numbers()
        next(numbers)
        print("end")
    """,
}
