/*
 * Window functions over one partition at a time: the partition's rows and peer groups, frames, and the
 * functions. Shared by node_window.c (the operator), window_frame.c and window_fn.c.
 */
#ifndef CORE_SQL_EXEC_WINDOW_H
#define CORE_SQL_EXEC_WINDOW_H

#include "core/sql/exec/agg.h"

#define FRAME_RANGE 0x2
#define FRAME_ROWS 0x4
#define FRAME_GROUPS 0x8
#define FRAME_START_UNBOUNDED_PRECEDING 0x20
#define FRAME_END_UNBOUNDED_FOLLOWING 0x100
#define FRAME_START_CURRENT_ROW 0x200
#define FRAME_END_CURRENT_ROW 0x400
#define FRAME_START_OFFSET_PRECEDING 0x800
#define FRAME_END_OFFSET_PRECEDING 0x1000
#define FRAME_START_OFFSET_FOLLOWING 0x2000
#define FRAME_END_OFFSET_FOLLOWING 0x4000
#define FRAME_EXCLUDE_CURRENT_ROW 0x8000
#define FRAME_EXCLUDE_GROUP 0x10000
#define FRAME_EXCLUDE_TIES 0x20000
#define FRAME_EXCLUSION (FRAME_EXCLUDE_CURRENT_ROW | FRAME_EXCLUDE_GROUP | FRAME_EXCLUDE_TIES)

typedef struct WinFn {
    const WindowFunc *f;
    Oid oid;
    bool is_agg;
    AggCall call;            /* arguments; for aggregates the rest too */
    Oid *types; int16_t *len; bool *byval;
    Datum **args; bool **argnull; bool *any_null; /* by argument, row of the partition */
    bool *passes;            /* FILTER, by row; NULL: none */
    Datum *result; bool *isnull;
    int16_t rlen; bool rbyval;
    char *state;
} WinFn;

/* RANGE with an offset: bound = value -/+ offset, and how rows compare with it. */
typedef struct RangeBound {
    Prim *bound;             /* over the order column's Vec and the offset */
    const Vec *value, *offset;
    Vec offset_vec; Datum offset_lane;
    ScalarFn before; FnCtx ctx; /* does a row lie before the frame's edge? */
    Datum *bounds;           /* by row */
} RangeBound;

typedef struct WindowNode {
    ExecNode n;
    const WindowPlan *p;
    int options;
    RowShape shape;
    int npart; KeyCol *part_keys; int *part_cols;
    int norder; KeyCol *order_keys; int *order_cols;
    ExprEnv arg_env;
    Batch *chunk, *out_rows;
    int nfuncs; WinFn *funcs;
    Vec *regs;
    Prim *start_offset, *end_offset;
    int64_t start, end;      /* ROWS, GROUPS: the offsets */
    Oid order_type, start_type, end_type; bool order_desc, order_nulls_first; Oid order_collation;
    RangeBound *range_start, *range_end;
    /* the partition */
    Arena *part_arena, *state_arena;
    Row **rows; int64_t nrows, cap;
    int64_t *group_of, *group_start; int64_t ngroups; /* group_start[ngroups] = nrows */
    int64_t *frame_start, *frame_end;                 /* by row; computed when asked for */
    Batch *in; int k;        /* input not yet taken */
    bool at_end, offsets_known;
    int64_t at;              /* rows given */
} WindowNode;

void window_frames(WindowNode *w);
void window_range_init(WindowNode *w);
void window_offsets(WindowNode *w);
/* Up to three ranges of rows that make the frame of row i. */
int window_ranges(const WindowNode *w, int64_t i, int64_t from[3], int64_t to[3]);
bool window_needs_frame(const WinFn *f);
void window_compute(WindowNode *w, WinFn *f);

#endif
