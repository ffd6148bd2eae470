#!/bin/sh
# The modules below core/txn on aarch64: packages (when root), a cross build in build-aarch64/, their unit tests under
# qemu's user mode. The last lines are ctest's summary.
# usage: tests/run_aarch64.sh [ctest arguments]
set -eu
cd "$(dirname "$0")/.."
. tests/packages.sh
install_packages
for c in aarch64-linux-gnu-gcc qemu-aarch64-static; do
    command -v $c >/dev/null || { echo "run_aarch64.sh: no $c (packages gcc-aarch64-linux-gnu, libc6-dev-arm64-cross, qemu-user-static)" >&2; exit 2; }
done

generator=
command -v ninja >/dev/null && [ ! -f build-aarch64/CMakeCache.txt ] && generator="-G Ninja"
cmake -C procs/cmake/aarch64.cmake $generator -S . -B build-aarch64
cmake --build build-aarch64 --parallel "$(nproc)"
exec ctest --test-dir build-aarch64 -j2 --output-on-failure "$@"
