/*
 * Assertions, attributes and unaligned access: the small tools every file uses.
 */
#ifndef CORE_BASE_MACROS_H
#define CORE_BASE_MACROS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define STATIC_ASSERT(cond) _Static_assert(cond, #cond)
#define MUST_USE __attribute__((warn_unused_result))
#define NORETURN __attribute__((noreturn))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define UNUSED __attribute__((unused))
#define NOINLINE __attribute__((noinline))
#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
/* State of one process. A test that runs processes' code as threads gives each thread its own. */
#ifdef POSTHASTE_THREADS_AS_PROCESSES
#define PROCESS_LOCAL _Thread_local
#else
#define PROCESS_LOCAL
#endif
#define CACHE_LINE 64
#define CACHE_ALIGNED __attribute__((aligned(CACHE_LINE)))
#define ALIGN_UP(x, a) (((x) + ((a)-1)) & ~((__typeof__(x))(a)-1))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

NORETURN void assert_failed(const char *cond, const char *file, int line);

/* ASSERT: programmer's mistakes, in Debug builds. CHECK: always on, for bytes from disk or network
 * whose damage cannot be reported in a better way. */
#ifdef NDEBUG
#define ASSERT(cond) ((void)sizeof(!(cond)))
#define ASSERT_SLOW(cond) ((void)sizeof(!(cond)))
#else
#define ASSERT(cond) (LIKELY(cond) ? (void)0 : assert_failed(#cond, __FILE__, __LINE__))
#ifdef ENABLE_SLOW_ASSERTS
#define ASSERT_SLOW(cond) ASSERT(cond)
#else
#define ASSERT_SLOW(cond) ((void)sizeof(!(cond)))
#endif
#endif
#define CHECK(cond) (LIKELY(cond) ? (void)0 : assert_failed(#cond, __FILE__, __LINE__))

/* Unaligned little helpers; both supported architectures are little-endian (checked in base.c). */
static inline uint16_t load_u16(const void *p) { uint16_t v; memcpy(&v, p, 2); return v; }
static inline uint32_t load_u32(const void *p) { uint32_t v; memcpy(&v, p, 4); return v; }
static inline uint64_t load_u64(const void *p) { uint64_t v; memcpy(&v, p, 8); return v; }
static inline void store_u16(void *p, uint16_t v) { memcpy(p, &v, 2); }
static inline void store_u32(void *p, uint32_t v) { memcpy(p, &v, 4); }
static inline void store_u64(void *p, uint64_t v) { memcpy(p, &v, 8); }
/* 48-bit values as stored in tuples. */
static inline uint64_t load_u48(const void *p) { return (uint64_t)load_u32(p) | (uint64_t)load_u16((const char *)p + 4) << 32; }
static inline void store_u48(void *p, uint64_t v) { store_u32(p, (uint32_t)v); store_u16((char *)p + 4, (uint16_t)(v >> 32)); }
/* Network order. */
static inline uint16_t load_be16(const void *p) { return __builtin_bswap16(load_u16(p)); }
static inline uint32_t load_be32(const void *p) { return __builtin_bswap32(load_u32(p)); }
static inline uint64_t load_be64(const void *p) { return __builtin_bswap64(load_u64(p)); }
static inline void store_be16(void *p, uint16_t v) { store_u16(p, __builtin_bswap16(v)); }
static inline void store_be32(void *p, uint32_t v) { store_u32(p, __builtin_bswap32(v)); }
static inline void store_be64(void *p, uint64_t v) { store_u64(p, __builtin_bswap64(v)); }

/*
 * A named place where a test build can inject a crash or an error; nothing in release builds.
 * Who arms it, and what it may do: core/base/fault.h.
 */
#ifdef ENABLE_FAULT_POINTS
void fault_point_hit(const char *name);
#define FAULT_POINT(name) fault_point_hit(name)
#else
#define FAULT_POINT(name) ((void)0)
#endif

#endif
