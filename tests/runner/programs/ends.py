"""Ways in which a program ends."""

from __future__ import annotations

ENDS = {
    "an empty program": "",
    "the end": "print('done')",
    "sys.exit()": "import sys; sys.exit()",
    "sys.exit(None)": "import sys; sys.exit(None)",
    "sys.exit(0)": "import sys; print('kept'); sys.exit(0)",
    "sys.exit(3)": "import sys; print('kept'); sys.exit(3)",
    "sys.exit(True)": "import sys; sys.exit(True)",
    "sys.exit(-1)": "import sys; sys.exit(-1)",
    "sys.exit(256)": "import sys; sys.exit(256)",
    "sys.exit(text)": "import sys; sys.exit('it went wrong')",
    "sys.exit(tuple)": "import sys; sys.exit((1, 'two'))",
    "sys.exit(object that cannot be printed)": """
        import sys
        class Odd:
            def __str__(self): raise ValueError("no")
        sys.exit(Odd())
    """,
    "raise SystemExit": "raise SystemExit(4)",
    "exit()": "exit(5)",
    "quit()": "quit()",
    "exit in a function in a try": """
        import sys
        def main():
            try:
                sys.exit(6)
            finally:
                print("cleaned up")
        main()
    """,
    "os._exit": "import os; print('kept'); os._exit(7)",
    "os.abort": "import os; print('kept'); os.abort()",
    "a signal to itself": "import os, signal; print('kept'); os.kill(os.getpid(), signal.SIGTERM)",
    "an alarm": "import signal, time; signal.setitimer(signal.ITIMER_REAL, 0.05); time.sleep(100)",
    "an uncaught exception": """
        print('kept')
        1 / 0
    """,
    "an uncaught exception in a last line without its end": "print('kept'); 1 / 0",
    "an exit code in an exit handler": "import atexit, os; atexit.register(os._exit, 9)",
}
