#!/bin/sh
# Cargo runs each test program through this. The time of a test is an unstable option of the test harness, which a stable
# toolchain grants where RUSTC_BOOTSTRAP is set. It is set for the finished program only: nothing is compiled with it.
program=$1
shift
RUSTC_BOOTSTRAP=1 exec "$program" "$@" -Zunstable-options --report-time
