# cmake -C procs/cmake/release.cmake -G Ninja -S . -B build
set(CMAKE_BUILD_TYPE Release CACHE STRING "")
