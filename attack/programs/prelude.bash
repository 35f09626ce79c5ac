# Helpers of the attack programs. They print HELD for what failed as it should and ESCAPED for what did not.
refused() { # refused WHAT COMMAND...
    local what=$1 out
    shift
    if out=$("$@" 2>&1 < /dev/null); then echo "ESCAPED $what: ${out:0:80}"; else echo "HELD $what"; fi
}
check() { # check WHAT COMMAND...
    local what=$1
    shift
    if "$@" > /dev/null 2>&1 < /dev/null; then echo "HELD $what"; else echo "ESCAPED not so: $what"; fi
}
