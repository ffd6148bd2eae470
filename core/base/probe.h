/*
 * USDT probes: fixed places that perf, bpftrace and SystemTap can attach to in a running server. A probe is one
 * nop and a note in the program's ELF file; its arguments are values that are at hand anyway.
 *
 *     PROBE2(buf_miss, block, mode);           provider "posthaste", probe "buf_miss"
 *     perf probe -x build/bin/posthaste sdt_posthaste:buf_miss
 *
 * Without <sys/sdt.h> (Debian's systemtap-sdt-dev) they are nothing. Arguments must be integers or pointers
 * without side effects. bench/README.md lists the probes.
 */
#ifndef CORE_BASE_PROBE_H
#define CORE_BASE_PROBE_H

#if defined(__has_include)
#if __has_include(<sys/sdt.h>)
#include <sys/sdt.h>
#define HAVE_SDT 1
#endif
#endif

#ifdef HAVE_SDT
#define PROBE0(name) DTRACE_PROBE(posthaste, name)
#define PROBE1(name, a) DTRACE_PROBE1(posthaste, name, a)
#define PROBE2(name, a, b) DTRACE_PROBE2(posthaste, name, a, b)
#define PROBE3(name, a, b, c) DTRACE_PROBE3(posthaste, name, a, b, c)
#define PROBE4(name, a, b, c, d) DTRACE_PROBE4(posthaste, name, a, b, c, d)
#else
#define PROBE0(name) ((void)0)
#define PROBE1(name, a) ((void)(a))
#define PROBE2(name, a, b) ((void)(a), (void)(b))
#define PROBE3(name, a, b, c) ((void)(a), (void)(b), (void)(c))
#define PROBE4(name, a, b, c, d) ((void)(a), (void)(b), (void)(c), (void)(d))
#endif

#endif
