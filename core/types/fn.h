/*
 * Functions, aggregates and the built-in tables they stand in.
 *
 * A built-in function is one line in core/catalog/fn_<family>.def and one C function here:
 *
 *   FN (oid, name, "ret", "arg types", flags, scalar)           Datum scalar(FnCtx *, const Datum *, bool *isnull)
 *   FNB(oid, name, "ret", "arg types", flags, scalar, batch)    with a kernel for whole batches
 *   SRF(oid, name, "ret", "arg types", "out columns", flags, set)  returns a set; out columns "name type, name type" or ""
 *   AGG(oid, name, "ret", "arg types", flags, agg)              const AggImpl agg
 *   WIN(oid, name, "ret", "arg types", flags)                   window function, implemented in exec
 *
 * Type names are pg_type.typname ("int4", "_int4", "anyelement"). OIDs, names, strictness, volatility
 * are those of PostgreSQL 15's pg_proc. Operators: core/catalog/op_<family>.def
 *
 *   OP(oid, "+", "left or empty", "right", "ret", fn_oid, commutator_oid, negator_oid, "restrict", "join", flags)
 *
 * and casts: core/catalog/cast_<family>.def
 *
 *   CAST("source", "target", fn_oid (0: binary coercible or by I/O), 'i'|'a'|'e', 'f'|'b'|'i')
 */
#ifndef CORE_TYPES_FN_H
#define CORE_TYPES_FN_H

#include "core/types/vec.h"

/* What a call site gives its function; one per call site, kept while the plan lives. */
typedef struct FnCtx {
    Arena *arena;         /* results and scratch; released by the caller when the batch is done */
    Arena *state_arena;   /* lives as long as the call site */
    void *state;          /* the function's own (compiled pattern, set-returning position ...); NULL at first */
    const bool *argnull;  /* per argument; all false for strict functions */
    int nargs;
    Oid fn_oid;
    Oid collation;        /* resolved for the call; 0 none */
    Oid ret_type;         /* actual types, polymorphism resolved */
    int32_t ret_typmod;
    const Oid *arg_types;
    bool variadic_array;  /* the call gave its "any" variadic arguments as one array (VARIADIC x) */
} FnCtx;

typedef Datum (*ScalarFn)(FnCtx *c, const Datum *args, bool *isnull); /* *isnull is false on entry */
/*
 * Kernel over rows sel[0..n) (sel NULL: 0..n). Every given row has all arguments non-null. Writes
 * out->v[row] only (and vec_set_null(out,row) if a result can be null). Arguments may be const Vecs.
 * Returns -1, or the row at which the scalar form would raise: the caller runs that to raise it.
 */
typedef int (*BatchFn)(FnCtx *c, int n, const uint16_t *sel, const Vec *const *args, Vec *out);
/* Called until it returns false; each true gives one row (out_count columns, 1 for a plain set). */
typedef bool (*SetFn)(FnCtx *c, const Datum *args, Datum *out, bool *outnull);

typedef struct AggCtx {
    FnCtx fn;           /* fn.arena: scratch of this call */
    Arena *arena;       /* what a state points at; lives until the groups are done */
} AggCtx;
typedef struct AggImpl {
    uint32_t state_bytes;   /* 8-aligned, zeroed before init */
    bool strict;            /* rows with a null argument are skipped before step is called */
    void (*init)(AggCtx *c, void *state); /* may be NULL */
    void (*step)(AggCtx *c, void *state, const Datum *args, const bool *nulls);
    /* Optional: many rows into one state / rows into states[row] + offset. Strict: rows are non-null. */
    void (*step_many)(AggCtx *c, void *state, int n, const uint16_t *sel, const Vec *const *args);
    void (*step_scatter)(AggCtx *c, char **states, size_t offset, int n, const uint16_t *sel, const Vec *const *args);
    void (*merge)(AggCtx *c, void *state, const void *other);  /* optional */
    Datum (*final)(AggCtx *c, const void *state, bool *isnull); /* leaves the state usable; *isnull false on entry */
} AggImpl;

#define FN_STRICT 1u
#define FN_VOLATILE 2u   /* default: immutable */
#define FN_STABLE 4u
#define FN_VARIADIC 8u   /* last argument is variadic */
#define FN_WINDOW 16u
#define FN_LEAKPROOF 32u
#define FN_PARALLEL_UNSAFE 64u
#define FN_PARALLEL_RESTRICTED 128u
#define OP_MERGES 1u
#define OP_HASHES 2u

typedef enum FnKind { FNKIND_SCALAR, FNKIND_SET, FNKIND_AGG, FNKIND_WINDOW } FnKind;
typedef struct FnDef {
    Oid oid;
    const char *name, *ret, *args, *outs;
    uint16_t flags;
    uint8_t kind;
    ScalarFn scalar;
    BatchFn batch;
    SetFn set;
    const AggImpl *agg;
} FnDef;
typedef struct OpDef { Oid oid; const char *name, *left, *right, *ret; Oid fn, commutator, negator; const char *restrict_est, *join_est; uint16_t flags; } OpDef;
typedef struct CastDef { const char *source, *target; Oid fn; char context, method; } CastDef;

/* Calls from C, outside of a plan. Raise like the function does. */
Datum fn_call1(ScalarFn fn, Arena *a, Oid collation, Datum x);
Datum fn_call2(ScalarFn fn, Arena *a, Oid collation, Datum x, Datum y);

#endif
