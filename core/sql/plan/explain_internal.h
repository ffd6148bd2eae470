/*
 * EXPLAIN, shared by the explain*.c files: one walk over the plan (explain.c) that says what each node is,
 * its properties (explain_node.c), expressions with their columns traced through the plan
 * (explain_expr.c), and the four output formats (explain_format.c).
 */
#ifndef CORE_SQL_PLAN_EXPLAIN_INTERNAL_H
#define CORE_SQL_PLAN_EXPLAIN_INTERNAL_H

#include "core/sql/deparse/deparse_internal.h"
#include "core/sql/exec/exec.h"

enum { EXPLAIN_TEXT, EXPLAIN_XML, EXPLAIN_JSON, EXPLAIN_YAML };

/* Where in the plan an expression stands: its node, and the way up. */
typedef struct Frame {
    const Plan *plan;
    const struct Frame *parent;
    const SubPlanRef *via; /* plan is the top of this subplan, used by an expression of parent's */
} Frame;

typedef struct Explain {
    Arena *arena;
    StrBuf *out;
    const ExplainOptions *o;
    const PlannedStmt *stmt;
    const Exec *run;
    Level *names;          /* of the whole range table */
    bool *subplan_shown;   /* [subplan] */
    IntList *top_extra;    /* subplans that belong to no single level: shown at the top */
    int indent;
    IntList *groups;       /* open groups of the structured formats: whether something is in them yet */
} Explain;

/* explain_format.c */
void ex_begin(Explain *x);
void ex_end(Explain *x);
void ex_open(Explain *x, const char *type, const char *label, bool labeled);
void ex_close(Explain *x, const char *type, bool labeled);
void ex_text(Explain *x, const char *label, const char *value);
void ex_int(Explain *x, const char *label, int64_t value);
void ex_float(Explain *x, const char *label, double value, int digits);
void ex_bool(Explain *x, const char *label, bool value);
void ex_list(Explain *x, const char *label, const List *strings);
void ex_indent(Explain *x); /* text: spaces of the current depth */
static inline bool ex_is_text(const Explain *x) { return x->o->format == EXPLAIN_TEXT; }

/* explain_expr.c */
void ex_make_names(Explain *x);
bool ex_many_relations(const Explain *x);
char *ex_expr(Explain *x, const Frame *f, const Expr *e, bool prefix, bool show_implicit);
const Plan *outer_plan(const Plan *p);
/* All expressions of one node, in the order their subplans are shown. */
typedef bool (*ExprVisitor)(const Expr *e, void *arg);
void visit_plan_exprs(const Plan *p, ExprVisitor fn, void *arg);
bool is_scan(const Plan *p);
/* Calls fn for a node and everything below it that belongs to the same query level. */
typedef void (*PlanVisitor)(const Plan *p, void *arg);
void visit_level(const Plan *top, PlanVisitor fn, void *arg);
/* Roots of levels directly below this node: a subquery scan's plan, the members of an Append. */
typedef void (*RootVisitor)(const Plan *root, void *arg);
void visit_sublevels(const Plan *p, RootVisitor fn, void *arg);

/* explain_node.c */
void ex_target(Explain *x, const Plan *p);
void ex_properties(Explain *x, const Frame *f);
void ex_output(Explain *x, const Frame *f);
const NodeStats *ex_stats(const Explain *x, const Plan *p);
void ex_buffers(Explain *x, const BufStats *b);
void ex_hash_numbers(Explain *x, const NodeStats *s, double rows);
void ex_index_condition(Explain *x, const Frame *f, const char *label);
void ex_condition(Explain *x, const Frame *f, const char *label, const List *quals, bool prefix);

#endif
