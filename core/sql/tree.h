/*
 * The typed tree: what analysis makes of a statement, rewriting changes and planning reads. Nodes live
 * in the arena of the statement. Fields: tree.def.
 */
#ifndef CORE_SQL_TREE_H
#define CORE_SQL_TREE_H

#include "core/base/str.h"
#include "core/types/value.h"

typedef enum NodeTag {
    TAG_NONE = 0,
#define EXPR(name, fields) TAG_##name,
#define NODE(name, fields) TAG_##name,
#include "core/sql/tree.def"
#undef EXPR
#undef NODE
    TAG_LAST_TREE,
    TAG_UTILITY = 200, /* UtilityStmt below */
    TAG_LIST_NODE,
    TAG_ListNode = TAG_LIST_NODE,
    TAG_SubPlanRef, /* plan.h: an expression of plans only */
    TAG_PLAN_FIRST = 300 /* plan.h continues */
} NodeTag;

typedef struct Node { NodeTag tag; } Node;
typedef struct Expr { NodeTag tag; int location; Oid type; int32_t typmod; Oid collation; } Expr;
typedef struct IntList { int count, cap; int64_t *items; Arena *arena; } IntList;
IntList *ints_new(Arena *a);
void ints_push(IntList *l, int64_t v);
static inline int ints_count(const IntList *l) { return l ? l->count : 0; }
bool ints_has(const IntList *l, int64_t v);

#define EXPR(name, fields) typedef struct name name;
#define NODE(name, fields) typedef struct name name;
#include "core/sql/tree.def"
#undef EXPR
#undef NODE

#define F_INT(n) int n;
#define F_BOOL(n) bool n;
#define F_OID(n) Oid n;
#define F_CHAR(n) char n;
#define F_DOUBLE(n) double n;
#define F_STR(n) char *n;
#define F_NODE(T, n) T *n;
#define F_LIST(n) List *n;
#define F_STRS(n) List *n;
#define F_INTS(n) IntList *n;
#define F_DATUM(n) Datum n;
#define EXPR(name, fields) struct name { Expr expr; fields };
#define NODE(name, fields) struct name { NodeTag tag; fields };
#include "core/sql/tree.def"
#undef EXPR
#undef NODE
#undef F_INT
#undef F_BOOL
#undef F_OID
#undef F_CHAR
#undef F_DOUBLE
#undef F_STR
#undef F_NODE
#undef F_LIST
#undef F_STRS
#undef F_INTS
#undef F_DATUM

/* node_new(a, Var) -> Var *, zeroed, tagged; expressions get typmod -1 and location -1. */
void *node_new_size(Arena *a, NodeTag tag, size_t bytes);
#define node_new(a, T) ((T *)node_new_size((a), TAG_##T, sizeof(T)))
static inline NodeTag node_tag(const void *n) { return *(const NodeTag *)n; }
#define IS(n, T) ((n) != NULL && node_tag(n) == TAG_##T)
bool node_is_expr(const void *n);

void *node_copy(Arena *a, const void *n);          /* deep */
List *list_copy_nodes(Arena *a, const List *l);
bool node_equal(const void *a, const void *b);      /* location is ignored */
char *node_write(Arena *a, const void *n);          /* text for pg_node_tree columns; Lists allowed via node_write_list */
void *node_read(Arena *a, const char *text);        /* raises XX000 on malformed text */
char *node_write_list(Arena *a, const List *l);
List *node_read_list(Arena *a, const char *text);
/* Calls fn on each direct child node (Query children included only with WALK_QUERIES). fn returns true to stop. */
typedef bool (*NodeWalker)(void *node, void *arg);
bool node_walk_children(void *n, NodeWalker fn, void *arg, bool into_queries);
/* Rebuilds: fn gets each child and returns its replacement (itself to keep). Lists and structs are copied. */
typedef void *(*NodeMutator)(void *node, void *arg);
void *node_mutate_children(Arena *a, void *n, NodeMutator fn, void *arg, bool into_queries);

/* A list as an item of a List: the rows of VALUES. */
typedef struct ListNode { NodeTag tag; List *list; } ListNode;
ListNode *list_node_new(Arena *a);

/* ---- enumerations of int fields ---- */
struct FuncCall;
struct FuncCall *call_complete(Arena *a, struct FuncCall *f); /* arguments in their places, defaults added */
enum { PARAM_EXTERN, PARAM_EXEC, PARAM_SUBLINK, PARAM_MULTIEXPR };          /* Param.kind */
enum { FORM_CALL, FORM_EXPLICIT_CAST, FORM_IMPLICIT_CAST, FORM_SQL_SYNTAX }; /* *.form */
enum { BOOL_AND, BOOL_OR, BOOL_NOT };
enum { TEST_IS_TRUE, TEST_IS_NOT_TRUE, TEST_IS_FALSE, TEST_IS_NOT_FALSE, TEST_IS_UNKNOWN, TEST_IS_NOT_UNKNOWN };
enum { ROWCOMPARE_LT = 1, ROWCOMPARE_LE, ROWCOMPARE_EQ, ROWCOMPARE_GE, ROWCOMPARE_GT, ROWCOMPARE_NE };
enum { SUBLINK_EXISTS, SUBLINK_ALL, SUBLINK_ANY, SUBLINK_ROWCOMPARE, SUBLINK_EXPR, SUBLINK_MULTIEXPR, SUBLINK_ARRAY, SUBLINK_CTE };
enum { JOIN_INNER, JOIN_LEFT, JOIN_FULL, JOIN_RIGHT, JOIN_SEMI, JOIN_ANTI };
enum { RANGE_RELATION, RANGE_SUBQUERY, RANGE_JOIN, RANGE_FUNCTION, RANGE_VALUES, RANGE_CTE, RANGE_RESULT };
enum { CMD_UNKNOWN, CMD_SELECT, CMD_UPDATE, CMD_INSERT, CMD_DELETE, CMD_MERGE, CMD_UTILITY, CMD_NOTHING };
enum { SETOP_UNION = 1, SETOP_INTERSECT, SETOP_EXCEPT };
enum { LIMIT_COUNT, LIMIT_WITH_TIES };
enum { OVERRIDE_NONE, OVERRIDE_USER, OVERRIDE_SYSTEM };
enum { CONFLICT_NONE, CONFLICT_NOTHING, CONFLICT_UPDATE };
enum { STRENGTH_KEY_SHARE = 1, STRENGTH_SHARE, STRENGTH_NO_KEY_UPDATE, STRENGTH_UPDATE };
enum { GROUPING_EMPTY, GROUPING_SIMPLE, GROUPING_ROLLUP, GROUPING_CUBE, GROUPING_SETS };
enum { MATERIALIZE_DEFAULT, MATERIALIZE_ALWAYS, MATERIALIZE_NEVER };
typedef enum SqlValueOp { SQLVALUE_CURRENT_DATE, SQLVALUE_CURRENT_TIME, SQLVALUE_CURRENT_TIME_N, SQLVALUE_CURRENT_TIMESTAMP, SQLVALUE_CURRENT_TIMESTAMP_N, SQLVALUE_LOCALTIME, SQLVALUE_LOCALTIME_N, SQLVALUE_LOCALTIMESTAMP, SQLVALUE_LOCALTIMESTAMP_N, SQLVALUE_CURRENT_ROLE, SQLVALUE_CURRENT_USER, SQLVALUE_USER, SQLVALUE_SESSION_USER, SQLVALUE_CURRENT_CATALOG, SQLVALUE_CURRENT_SCHEMA } SqlValueOp;
#define VAR_OUTER (-1)
#define VAR_INNER (-2)
#define VAR_SCAN (-3)
/* Permissions bits (ACL): RangeEntry.required_perms. */
#define ACL_INSERT (1u << 0)
#define ACL_SELECT (1u << 1)
#define ACL_UPDATE (1u << 2)
#define ACL_DELETE (1u << 3)
#define ACL_TRUNCATE (1u << 4)
#define ACL_REFERENCES (1u << 5)
#define ACL_TRIGGER (1u << 6)
#define ACL_EXECUTE (1u << 7)
#define ACL_USAGE (1u << 8)
#define ACL_CREATE (1u << 9)
#define ACL_CREATE_TEMP (1u << 10)
#define ACL_CONNECT (1u << 11)
#define ACL_SET (1u << 12)
#define ACL_ALTER_SYSTEM (1u << 13)

/* A utility statement: analysis leaves the grammar's tree as it is; core/sql/command executes it. */
typedef struct UtilityStmt { NodeTag tag; const void *stmt; /* PgQuery__Node * */ int location, len; } UtilityStmt;

#endif
