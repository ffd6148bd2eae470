/*
 * Templates for batch kernels: one expression becomes the loops for whole columns, for a constant
 * right argument, and for selected rows. The first two are plain loops over arrays, which the
 * compiler turns into vector code; KERNEL builds them for newer instruction sets too and lets the
 * loader pick (ifunc) where the platform can.
 */
#ifndef CORE_TYPES_KERNEL_H
#define CORE_TYPES_KERNEL_H

#include "core/types/number.h"

/* Sanitizers instrument the resolver before they are set up: no clones there. */
#if defined(__x86_64__) && defined(__linux__) && !defined(__SANITIZE_ADDRESS__) &&                  \
    !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_UNDEFINED__) && !defined(PH_NO_TARGET_CLONES)
#define KERNEL __attribute__((optimize("O3"), target_clones("arch=x86-64-v3", "default")))
#else
#define KERNEL __attribute__((optimize("O3")))
#endif

/* Hides an index from the vectoriser: gathering and scattering selected rows is slower than a plain
 * loop and several times the code. */
#define PLAIN_INDEX(e)                                                                               \
    ({ int index_ = (e); __asm__("" : "+r"(index_)); index_; })

/* Lanes seen as what they hold. */
typedef int64_t IntLane;
typedef double DoubleLane __attribute__((may_alias));

static inline int64_t lane_int(const Datum *v, int i) { return (int64_t)v[i]; }
static inline double lane_double(const Datum *v, int i) { return ((const DoubleLane *)v)[i]; }
static inline float lane_float(const Datum *v, int i) { return datum_float4(v[i]); }
static inline Datum to_lane_int(int64_t x) { return (Datum)x; }
static inline Datum to_lane_double(double x) { return float8_datum(x); }
static inline Datum to_lane_float(float x) { return float4_datum(x); }

/* out = EXPR(x, y) for every row; nothing can fail. */
#define KERNEL_BINARY(name, T, load, store, EXPR)                                                    \
    KERNEL int name(FnCtx *c, int n, const uint16_t *sel, const Vec *const *args, Vec *out)          \
    {                                                                                                \
        const Datum *a = args[0]->v, *b = args[1]->v;                                                \
        Datum *restrict o = out->v;                                                                  \
        const bool ca = args[0]->is_const, cb = args[1]->is_const;                                   \
        if (sel == NULL && !ca && cb) {                                                              \
            const T y = load(b, 0);                                                                  \
            for (int i = 0; i < n; i++) {                                                            \
                const T x = load(a, i);                                                              \
                o[i] = store(EXPR);                                                                  \
            }                                                                                        \
        } else if (sel == NULL && !ca) {                                                             \
            for (int i = 0; i < n; i++) {                                                            \
                const T x = load(a, i), y = load(b, i);                                              \
                o[i] = store(EXPR);                                                                  \
            }                                                                                        \
        } else {                                                                                     \
            for (int k = 0; k < n; k++) {                                                            \
                const int i = PLAIN_INDEX(sel ? sel[k] : k);                                         \
                const T x = load(a, ca ? 0 : i), y = load(b, cb ? 0 : i);                            \
                o[i] = store(EXPR);                                                                  \
            }                                                                                        \
        }                                                                                            \
        return -1;                                                                                   \
    }

/*
 * out = EXPR, where BAD (of x, y and the result r) is non-zero for a row that must raise. Bad rows
 * are only collected in the vector loop; if there was any, a second pass finds the first one.
 */
#define KERNEL_CHECKED(name, T, R, load, store, EXPR, BAD)                                           \
    KERNEL int name(FnCtx *c, int n, const uint16_t *sel, const Vec *const *args, Vec *out)          \
    {                                                                                                \
        const Datum *a = args[0]->v, *b = args[1]->v;                                                \
        Datum *restrict o = out->v;                                                                  \
        const bool ca = args[0]->is_const, cb = args[1]->is_const;                                   \
        uint64_t bad = 0;                                                                            \
        if (sel == NULL && !ca && cb) {                                                              \
            const T y = load(b, 0);                                                                  \
            for (int i = 0; i < n; i++) {                                                            \
                const T x = load(a, i);                                                              \
                const R r = EXPR;                                                                    \
                o[i] = store(r);                                                                     \
                bad |= BAD;                                                                          \
            }                                                                                        \
        } else if (sel == NULL && !ca) {                                                             \
            for (int i = 0; i < n; i++) {                                                            \
                const T x = load(a, i), y = load(b, i);                                              \
                const R r = EXPR;                                                                    \
                o[i] = store(r);                                                                     \
                bad |= BAD;                                                                          \
            }                                                                                        \
        } else {                                                                                     \
            for (int k = 0; k < n; k++) {                                                            \
                const int i = PLAIN_INDEX(sel ? sel[k] : k);                                         \
                const T x = load(a, ca ? 0 : i), y = load(b, cb ? 0 : i);                            \
                const R r = EXPR;                                                                    \
                o[i] = store(r);                                                                     \
                bad |= BAD;                                                                          \
            }                                                                                        \
        }                                                                                            \
        if (LIKELY(bad == 0))                                                                        \
            return -1;                                                                               \
        for (int k = 0; k < n; k++) {                                                                \
            const int i = PLAIN_INDEX(sel ? sel[k] : k);                                             \
            const T x = load(a, ca ? 0 : i), y = load(b, cb ? 0 : i);                                \
            const R r = EXPR;                                                                        \
            (void)r;                                                                                 \
            if ((BAD) != 0)                                                                          \
                return i;                                                                            \
        }                                                                                            \
        return -1;                                                                                   \
    }

/* out = EXPR(x), nothing can fail. */
#define KERNEL_UNARY(name, T, load, store, EXPR)                                                     \
    KERNEL int name(FnCtx *c, int n, const uint16_t *sel, const Vec *const *args, Vec *out)          \
    {                                                                                                \
        const Datum *a = args[0]->v;                                                                 \
        Datum *restrict o = out->v;                                                                  \
        const bool ca = args[0]->is_const;                                                           \
        if (sel == NULL && !ca) {                                                                    \
            for (int i = 0; i < n; i++) {                                                            \
                const T x = load(a, i);                                                              \
                o[i] = store(EXPR);                                                                  \
            }                                                                                        \
        } else {                                                                                     \
            for (int k = 0; k < n; k++) {                                                            \
                const int i = PLAIN_INDEX(sel ? sel[k] : k);                                         \
                const T x = load(a, ca ? 0 : i);                                                     \
                o[i] = store(EXPR);                                                                  \
            }                                                                                        \
        }                                                                                            \
        return -1;                                                                                   \
    }

#endif
