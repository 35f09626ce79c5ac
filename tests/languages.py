"""Programs in all thirteen languages that the client offers (K14), good ones and bad ones."""

from __future__ import annotations

from typing import Final

HELLO: Final = {
    "py": "print('hello')",
    "js": "console.log('hello')",
    "ts": "const word: string = 'hello'; console.log(word)",
    "c": '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }',
    "cpp": '#include <iostream>\nint main() { std::cout << "hello\\n"; }',
    "java": 'public class Main { public static void main(String[] args) { System.out.println("hello"); } }',
    "php": '<?php echo "hello\\n";',
    "rs": 'fn main() { println!("hello"); }',
    "go": 'package main\nimport "fmt"\nfunc main() { fmt.Println("hello") }',
    "d": 'import std.stdio; void main() { writeln("hello"); }',
    "f90": 'program p\nwrite(*,"(a)") "hello"\nend program',
    "r": 'cat("hello\\n")',
    "bash": "echo hello",
}

ARGUMENTS: Final = ["plain", "two words", "", "--flag=é", '"$HOME"', "*", "-h", "-e"]
SHOW_ARGUMENTS: Final = {
    "py": "import sys\nfor a in sys.argv[1:]: print(f'<{a}>')",
    "js": "for (const a of process.argv.slice(2)) console.log(`<${a}>`)",
    "node": "for (const a of process.argv.slice(2)) console.log(`<${a}>`)",
    "ts": "for (const a of process.argv.slice(2) as string[]) console.log(`<${a}>`)",
    "c": '#include <stdio.h>\nint main(int n, char **v) { for (int i = 1; i < n; i++) printf("<%s>\\n", v[i]); }',
    "cpp": '#include <cstdio>\nint main(int n, char **v) { for (int i = 1; i < n; i++) printf("<%s>\\n", v[i]); }',
    "java": 'class Any { public static void main(String[] v) { for (var a : v) System.out.println("<" + a + ">"); } }',
    "php": '<?php foreach (array_slice($argv, 1) as $a) echo "<$a>\\n";',
    "rs": 'fn main() { for a in std::env::args().skip(1) { println!("<{}>", a); } }',
    "go": 'package main\nimport ("fmt"; "os")\n'
    'func main() { for _, a := range os.Args[1:] { fmt.Printf("<%s>\\n", a) } }',
    "d": 'import std.stdio; void main(string[] v) { foreach (a; v[1 .. $]) writefln("<%s>", a); }',
    "f90": "program p\ninteger :: i, n\ncharacter(len=99) :: a\ndo i = 1, command_argument_count()\n"
    "call get_command_argument(i, a, n)\nprint '(3a)', '<', a(:n), '>'\nend do\nend program",
    "r": 'for (a in commandArgs(TRUE)) cat("<", a, ">\\n", sep = "")',
    "bash": 'for a in "$@"; do echo "<$a>"; done',
}
SHOWN: Final = "".join(f"<{argument}>\n" for argument in ARGUMENTS)

DOES_NOT_COMPILE: Final = {
    "py": ("x = 1\nprint((x)", '"/mnt/data/main.py", line 2'),
    "js": ("let x = 1;\nlet y = ;", "/mnt/data/main.js:2:9"),
    "ts": ("let x = 1;\nlet y: = 3", "/mnt/data/main.ts:2:8"),
    "c": ("int main(void) {\n  return x; }", "\nmain.c:2:10: error:"),
    "cpp": ("int main() {\n  return x; }", "\nmain.cpp:2:10: error:"),
    "java": ("class A {\n  int x = y; }", "Main.java:2: error:"),
    "php": ("<?php\n$x = ;", "/mnt/data/main.php on line 2"),
    "rs": ("fn main() {\n  y; }", "--> main.rs:2:3"),
    "go": ("package main\nfunc main() { y() }", "main.go:2:15: undefined: y"),
    "d": ("void main() {\n  y(); }", "main.d(2): Error:"),
    "f90": ("program p\nimplicit none\nx = 1\nend program", "main.f90:3:1:"),
    "r": ("x <- (1 +\n", "unexpected end of input"),  # R names no file that it is given whole
    "bash": ("echo 1\nif true; then", "main.sh: line "),
}
"""A program that its compiler or parser refuses, and what of it stands on stderr."""

FAILS: Final = {
    "py": ("print(1)\nraise ValueError('oops')", ("main.py", "line 2", "ValueError: oops")),
    "js": ("console.log(1)\nthrow new Error('oops')", ("main.js:2:", "error: oops")),
    "ts": ("console.log(1 as number)\nthrow new Error('oops')", ("main.ts:2:", "error: oops")),
    "c": (
        '#include <assert.h>\n#include <stdio.h>\nint main(void) { puts("1"); fflush(stdout); assert(!*"oops"); }',
        ("main.c:3: main: Assertion", "oops", "SIGABRT"),
    ),
    "cpp": (
        "#include <iostream>\n#include <stdexcept>\n"
        'int main() { std::cout << 1 << std::endl; throw std::runtime_error("oops"); }',
        ("std::runtime_error", "oops", "SIGABRT"),
    ),
    "java": (
        'class A { public static void main(String[] v) {\n  System.out.println(1); throw new Error("oops"); } }',
        ("java.lang.Error: oops", "A.main(Main.java:2)"),
    ),
    "php": ('<?php\necho "1\\n";\nthrow new Exception("oops");', ("oops in /mnt/data/main.php:3",)),
    "rs": ('fn main() {\n  println!("1"); panic!("oops") }', ("oops", "main.rs:2:")),
    "go": (
        'package main\nimport "os"\nfunc main() {\n  os.Stdout.WriteString("1\\n"); panic("oops") }',
        ("panic: oops", "main.go:4 "),
    ),
    "d": (
        'import std.stdio;\nvoid main() { writeln(1); throw new Exception("oops"); }',
        ("@main.d(2): oops",),
    ),
    "f90": ("program p\nprint '(i1)', 1\nerror stop 'oops'\nend program", ("ERROR STOP oops",)),
    "r": ("cat('1\\n')\nstop('oops')", ("Error: oops",)),
    "bash": ("echo 1\noops", ("main.sh: line 2: oops: command not found",)),
}
"""A program that prints 1 and then fails, and what of it stands on stderr."""
