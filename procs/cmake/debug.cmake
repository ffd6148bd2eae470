# Assertions and fault points on: cmake -C procs/cmake/debug.cmake -G Ninja -S . -B build-debug
set(CMAKE_BUILD_TYPE Debug CACHE STRING "")
