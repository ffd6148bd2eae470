# Address and undefined-behaviour sanitizers: cmake -C procs/cmake/asan.cmake -G Ninja -S . -B build-asan
set(CMAKE_BUILD_TYPE Debug CACHE STRING "")
set(POSTHASTE_SANITIZE "address,undefined" CACHE STRING "")
