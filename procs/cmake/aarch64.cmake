# Cross build of the hot modules (core/base up to bufmgr) and their unit tests, run under qemu:
# cmake -C procs/cmake/aarch64.cmake -G Ninja -S . -B build-aarch64
set(CMAKE_BUILD_TYPE Debug CACHE STRING "")
set(CMAKE_SYSTEM_NAME Linux CACHE STRING "")
set(CMAKE_SYSTEM_PROCESSOR aarch64 CACHE STRING "")
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc CACHE STRING "")
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64-static CACHE STRING "")
set(CMAKE_EXE_LINKER_FLAGS "-static" CACHE STRING "") # no arm64 loader needed on the host
