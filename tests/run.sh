#!/bin/sh
# Everything from a bare machine: packages (when root), a Release build in build/, all tests.
# The last lines are ctest's summary; a failed step ends with a non-zero status.
# usage: tests/run.sh [ctest arguments]
set -eu
cd "$(dirname "$0")/.."

. tests/packages.sh
install_packages

generator=
command -v ninja >/dev/null && [ ! -f build/CMakeCache.txt ] && generator="-G Ninja"
cmake -C procs/cmake/release.cmake $generator -S . -B build
cmake --build build --parallel "$(nproc)"
exec ctest --test-dir build -j2 --output-on-failure "$@"
