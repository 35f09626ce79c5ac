"""Programs that start others."""

from __future__ import annotations

WORKERS = """
        import multiprocessing
        def square(x): return x * x
        def show(queue): queue.put(__name__)
        if __name__ == "__main__":
            multiprocessing.set_start_method("{}")
            with multiprocessing.Pool(2) as pool:
                print(pool.map(square, range(5)))
            queue = multiprocessing.Queue()
            process = multiprocessing.Process(target=show, args=(queue,))
            process.start()
            print(queue.get())
            process.join()
            print(process.exitcode)
    """

PROCESSES = {
    "subprocess": """
        import subprocess, sys
        print(subprocess.run(["echo", "x"], capture_output=True, text=True).stdout)
        print(subprocess.run([sys.executable, "-c", "import sys; print(sys.path[1:]); print(input())"],
              input="in", capture_output=True, text=True).stdout)
        print(subprocess.call("exit 3", shell=True), subprocess.getoutput("echo out"))
    """,
    "os.popen": """
        import os
        print(os.popen('echo x').read(), os.system('exit 2'))
    """,
    "fork": """
        import os
        pid = os.fork()
        if pid == 0:
            print('child')
            os._exit(3)
        print(os.waitpid(pid, 0)[1])
    """,
    "fork and a normal end": """
        import os, sys
        if os.fork():
            os.wait()
            print('parent')
        else:
            print('child')
        sys.exit(0)
    """,
    "fork and an exception in the child": """
        import os
        if os.fork():
            print(os.wait()[1])
        else:
            1 / 0
    """,
    "wait without children": """
        import os
        os.wait()
    """,
    **{f"multiprocessing by {method}": WORKERS.format(method) for method in ("fork", "spawn", "forkserver")},
    "a process pool": """
        from concurrent.futures import ProcessPoolExecutor
        def double(x): return 2 * x
        if __name__ == "__main__":
            with ProcessPoolExecutor(2) as pool:
                print(list(pool.map(double, range(3))))
    """,
    "an exception in a worker": """
        import multiprocessing
        def fail(x): raise ValueError(x)
        if __name__ == "__main__":
            with multiprocessing.get_context("fork").Pool(1) as pool:
                try:
                    pool.map(fail, [7])
                except ValueError as error:
                    print("caught", error)
    """,
    "a process that is not joined": """
        import multiprocessing, time
        def work(parent):
            parent.wait()
            print("worker")
        if __name__ == "__main__":
            context = multiprocessing.get_context("fork")
            event = context.Event()
            context.Process(target=work, args=(event,)).start()
            print("main")
            event.set()
    """,
    "exec": """
        import os, sys
        os.execv(sys.executable, [sys.executable, '-c', 'print("another")'])
    """,
}
