/*
 * The system catalogs: real tables under PostgreSQL's names, columns and OIDs. This header: rows and
 * scans of catalog tables, the row cache, relation descriptors, name resolution, built-in functions,
 * operators and casts, privileges, DDL-level writes (dependencies, comments), invalidation.
 *
 * Data: tables.def (catalog tables, columns, indexes), type.def, fn_*.def, op_*.def, cast_*.def,
 * misc.def (am, opclass, language, collation, namespace, roles). initdb writes all of it as rows.
 */
#ifndef CORE_CATALOG_CATALOG_H
#define CORE_CATALOG_CATALOG_H

#include "core/access/btree/btree.h"
#include "core/access/heap/heap.h"
#include "core/access/sequence.h"
#include "core/catalog/catalog_ids.h" /* CAT_PG_CLASS, PG_CLASS_RELNAME (attnum), IDX_PG_CLASS_OID_INDEX */
#include "core/types/type.h"

/* ---- rows of catalog tables ---- */
typedef struct CatRow { int ncols; Datum *values; bool *nulls; ItemPtr tid; const struct CatTable *table; } CatRow; /* [attnum - 1] */
static inline Datum cat_val(const CatRow *r, int attnum) { return r->values[attnum - 1]; }
static inline bool cat_null(const CatRow *r, int attnum) { return r->nulls[attnum - 1]; }
char *cat_name(Arena *a, const CatRow *r, int attnum); /* name/text column as C string, NULL if null */

typedef struct CatScan CatScan;
/* Rows of `table` whose leading columns of `index` equal keys[0..nkeys); index 0: full scan. Uses a
 * fresh snapshot. Rows are valid until the next call. */
CatScan *cat_scan_begin(Oid table, Oid index, int nkeys, const Datum *keys);
const CatRow *cat_scan_next(CatScan *s);
void cat_scan_end(CatScan *s);

/* Row cache by unique index. The row stays valid until the end of the transaction, even if changed
 * meanwhile. NULL: no such row. Keys: by-value, or var values for names. */
const CatRow *cat_get(Oid unique_index, Datum k1, Datum k2, Datum k3, Datum k4);
const CatRow *cat_get_by_oid(Oid table, Oid oid);   /* via its ..._oid_index */

ItemPtr cat_insert(Oid table, const Datum *values, const bool *nulls);  /* heap, indexes, invalidation; visible after command increment */
void cat_update(Oid table, ItemPtr tid, const Datum *values, const bool *nulls);
void cat_delete(Oid table, ItemPtr tid);
Oid cat_new_oid(Oid table);  /* unique in the table's oid index */
Datum cat_name_datum(Arena *a, const char *name);

/* ---- relation descriptors ---- */
typedef struct ColDesc {
    char *name;
    Oid type; int32_t typmod; Oid collation;
    bool not_null, dropped, has_default, is_local;
    char identity;   /* 0, 'a', 'd' */
    char generated;  /* 0, 's' */
    char align, storage;
    int16_t len; bool byval;
    int ndims;
    const char *default_tree; /* node_write text, or NULL */
} ColDesc;
typedef struct CheckDesc { Oid oid; char *name; const char *tree; bool valid, no_inherit; } CheckDesc;
typedef struct FkDesc { Oid oid; char *name; Oid rel, ref_rel, ref_index; int n; int16_t cols[MAX_INDEX_KEYS], ref_cols[MAX_INDEX_KEYS]; Oid eq_ops[MAX_INDEX_KEYS]; char on_update, on_delete, match; bool deferrable, deferred, valid; int nset; int16_t set_cols[MAX_INDEX_KEYS]; } FkDesc;
typedef struct IndexDesc {
    Oid heap; int nkeys, ncolumns; int16_t attnums[MAX_INDEX_KEYS]; /* 0: expression */
    bool unique, primary, exclusion, immediate, valid, ready, live, clustered, nulls_not_distinct;
    const char *expr_trees;   /* List text or NULL */
    const char *predicate_tree;
    Oid opclass[MAX_INDEX_KEYS]; Oid collation[MAX_INDEX_KEYS]; int16_t options[MAX_INDEX_KEYS];
    BtreeIndex *btree;
} IndexDesc;
typedef struct RelDesc {
    Oid oid; char *name; Oid nsp; char *nsp_name;
    char kind;         /* pg_class.relkind */
    char persistence;  /* p u t */
    Oid row_type, owner, am, tablespace, toast_rel;
    bool shared, has_index, has_rules, has_triggers, row_security, force_row_security, is_partition;
    int natts; ColDesc *cols; /* [attnum - 1] */
    double reltuples; int32_t relpages, relallvisible; /* as of the row; planners look at file size too */
    HeapRel heap;      /* tables, sequences, toast, materialised views */
    int nindexes; Oid *indexes; Oid primary_index, replica_index;
    IndexDesc *index;  /* kind 'i' */
    int nchecks; CheckDesc *checks;
    int nfks; FkDesc *fks;          /* this table references */
    int nrefs; FkDesc *refs;        /* others reference this table */
    uint64_t *key_columns;          /* bitmap by attnum: columns of unique indexes usable by FKs */
    uint64_t *indexed_columns;      /* bitmap by attnum: columns any index depends on (expressions, predicates too) */
    const char *view_tree;          /* kind 'v','m': node_write text of the Query */
    char **options;                 /* reloptions, NULL-terminated */
    const char *acl;                /* relacl as stored (aclitem[] text), NULL default */
    SeqParams *sequence;            /* kind 'S' */
    void *exec_cache;               /* upper layers' per-process data; freed with the descriptor's arena */
    Arena *arena;
} RelDesc;
/* The descriptor stays valid until the end of the transaction even if invalidated meanwhile. Takes the
 * lock first (kept until transaction end) and reads the catalogs after. Raises XX000 if missing. */
RelDesc *rel_open(Oid oid, LockMode lock);
RelDesc *rel_try_open(Oid oid, LockMode lock);    /* NULL: does not exist */
IndexDesc *index_open(Oid oid, LockMode lock);
void rel_invalidate(Oid oid);        /* own later lookups at next command; others at commit */
RelDesc *rel_cached(Oid oid);        /* no lock taken; caller holds one already */
int rel_attnum(const RelDesc *r, const char *column); /* 0: none; system columns negative */

/* ---- names ---- */
extern char *search_path_text;        /* setting search_path */
const Oid *search_path_oids(int *n);  /* effective, with implicit pg_catalog and temp */
Oid nsp_oid(const char *name, bool missing_ok);           /* 3F000 schema "x" does not exist */
char *nsp_name(Arena *a, Oid oid);
Oid rel_lookup(const char *nsp /* NULL: search path */, const char *name); /* 0: none */
Oid nsp_for_creation(const char *nsp, bool temp);
bool rel_is_visible(Oid rel);
Oid type_lookup(const char *nsp, const char *name);       /* 0: none */
Oid nsp_temp(void);                                        /* creates on first use */
Oid nsp_temp_if_any(void);                                 /* 0: this session has made none */
bool nsp_is_temp(Oid nsp);                                 /* this session's, its toast schema included */
bool nsp_is_any_temp(Oid nsp);                             /* some session's */
Oid nsp_current(void);                                     /* current_schema(); 0: none */
bool type_is_visible(Oid type);
Oid collation_lookup(const char *nsp, const char *name);  /* 0: none for this encoding */
/* Text of a reg* type ("s.t", "integer", "f(int)") to its OID; raises unless missing_ok. */
Oid reg_in(Arena *a, Oid reg_type, const char *text, bool missing_ok);
void catalog_drop_temp(void); /* at the end of a session and for DISCARD TEMP; within a transaction */

/* ---- types ---- */
typedef struct TypeInfo {
    Oid oid; char *name; Oid nsp, owner; int16_t typlen; bool byval; char typtype, category, delim, align, storage; bool preferred, defined;
    Oid rel, elem, array, base; int32_t typmod; int ndims; Oid collation; bool not_null;
    const TypeOps *ops; /* physical */
    Oid in_fn, out_fn, recv_fn, send_fn;
} TypeInfo;
const TypeInfo *type_info(Oid type);       /* raises XX000 cache lookup failed */
char *type_format(Arena *a, Oid type, int32_t typmod, bool qualify); /* format_type: "character varying(10)" */
Oid type_array_of(Oid elem);
Oid type_element_of(Oid array);            /* 0: not a true array */
Oid type_base(Oid type, int32_t *typmod);  /* through domains */
void catalog_set_record_ops(const TypeOps *ops); /* of record and all row types: whoever makes such values registers it */

/* ---- functions, operators, casts: built-in tables first, then the catalogs ---- */
typedef struct FnInfo {
    Oid oid; char *name; Oid nsp, owner, lang, ret, variadic; int nargs, ndefaults; const Oid *args; char kind /* f p a w */; bool strict, retset, leakproof; char volatility, parallel; const FnDef *builtin;
    int nout; const Oid *out_types; char *const *out_names; /* table functions */
    char *const *arg_names; const char *source; const char *default_tree; double cost, rows;
} FnInfo;
const FnInfo *fn_info(Oid oid);
int fn_candidates(const char *nsp, const char *name, Arena *a, const FnInfo ***out); /* visible ones of that name */
typedef struct OpInfo { Oid oid; const char *name; Oid nsp, left, right, ret, fn, commutator, negator; bool merges, hashes; const char *restrict_est, *join_est; } OpInfo;
const OpInfo *op_info(Oid oid);
int op_candidates(const char *nsp, const char *name, char kind /* 'b' 'l' */, Arena *a, const OpInfo ***out);
Oid op_lookup_exact(const char *name, Oid left, Oid right);
typedef struct CastInfo { Oid source, target, fn; char context, method; } CastInfo;
const CastInfo *cast_lookup(Oid source, Oid target);
/* Default btree operators of a type (through its base): 0 if it has no order. */
typedef struct TypeSortOps { Oid lt, eq, gt; bool hashable; } TypeSortOps;
TypeSortOps type_sort_ops(Oid type);
/* Which btree strategy (1 < 2 <= 3 = 4 >= 5 >) operator op is in the default family of its input types; 0 none.
 * For ~~ style operators see plan. */
int op_btree_strategy(Oid op, Oid *left_type, Oid *right_type);
Oid op_for_strategy(Oid left_type, Oid right_type, int strategy);
bool op_is_equality_hashable(Oid op);
bool fn_exists(Oid fn);
bool fn_is_visible(Oid fn);
bool op_exists(Oid op);
/* Operator classes and families (all built in so far). am: 403 btree, 405 hash. */
Oid opclass_default(Oid type, Oid am);             /* 0: none */
Oid opclass_lookup(const char *nsp, const char *name, Oid am);
Oid opclass_input_type(Oid opclass);
Oid opclass_family(Oid opclass);
bool opclass_is_pattern(Oid opclass);              /* text_pattern_ops ...: byte order */
Oid opfamily_member(Oid family, Oid left, Oid right, int strategy);
int opfamily_strategy(Oid family, Oid op);         /* 0: not a member */
int builtin_agg_direct(Oid fn); /* direct arguments of an ordered-set aggregate; -1: an ordinary one */
int builtin_fn_count(void); const FnDef *builtin_fn_at(int i);
int builtin_op_count(void); const OpDef *builtin_op_at(int i);
int builtin_cast_count(void); const CastDef *builtin_cast_at(int i);

/* ---- roles and privileges ---- */
#define OID_FIRST_NORMAL 16384u /* of what users make; below are the catalogs */
#define ROLE_BOOTSTRAP 10u /* the superuser that initdb makes */
extern Oid session_user_oid, current_user_oid; /* set by session; SET ROLE changes current */
bool role_is_superuser(Oid role);
Oid role_oid(const char *name, bool missing_ok); /* 42704 role "x" does not exist */
char *role_name(Arena *a, Oid role);
bool role_is_member(Oid member, Oid role);       /* with inheritance; superusers are members of all */
bool role_may_become(Oid member, Oid role);      /* membership without regard to INHERIT: SET ROLE */
bool role_is_member_nosuper(Oid member, Oid role);
bool role_is_admin_of(Oid member, Oid role);
bool acl_check(Oid table /* catalog the object lives in */, Oid object, Oid role, uint32_t bits);
bool acl_check_column(Oid rel, int attnum, Oid role, uint32_t bits);
NORETURN void acl_raise(Oid table, Oid object); /* 42501 permission denied for table x */
void acl_require_owner(Oid table, Oid object);  /* 42501 must be owner of table x */
Oid object_owner(Oid table, Oid object);
/* GRANT/REVOKE work on the aclitem text of the object's row. */
Datum acl_change(Arena *a, Datum old, bool isnull, Oid owner, char objtype, bool grant, uint32_t bits, bool with_option, Oid grantor, const Oid *grantees, int n, bool cascade);

/* ---- dependencies and drops ---- */
typedef struct ObjAddr { Oid cls, obj; int32_t sub; } ObjAddr;
void depend_add(ObjAddr dependent, ObjAddr referenced, char type /* n a i P S e */);
void depend_add_owner(Oid cls, Oid obj, Oid owner);
void depend_change_owner(Oid cls, Oid obj, Oid owner);
void depend_update_acl(ObjAddr a, Oid owner, Datum acl, bool isnull); /* after GRANT and REVOKE */
bool role_dependencies(Oid role, Arena *a, char **detail); /* true: objects need it; detail for DROP ROLE's error */
void shdepend_drop_database(Oid db);
void shdepend_copy_database(Oid from, Oid to);
void depend_add_expr(ObjAddr dependent, const void *tree, Oid self_rel, char type); /* registered by core/sql: walks the tree */
void depend_delete_for(ObjAddr dependent, char only_type /* 0: all */);
/* Drops objects and what depends on them as DROP does (NOTICE/2BP01 texts as PostgreSQL's). */
void objects_drop(const ObjAddr *objs, int n, bool cascade, bool missing_ok_internal /* true: no notices */);
void object_register_drop(Oid cls, void (*drop)(ObjAddr a)); /* who removes an object's own rows and files */
extern void (*rel_drop_hook)(Oid rel); /* before a relation is dropped: raises when it is in use */
char *object_describe(Arena *a, ObjAddr addr);   /* "table t", "column c of table t", "constraint x on table t" */
void comment_set(ObjAddr addr, const char *text);
void comment_delete(ObjAddr addr);
char *comment_get(Arena *a, ObjAddr addr); /* NULL: none */

/* ---- building relations (used by commands and initdb) ---- */
typedef struct NewColumn { const char *name; Oid type; int32_t typmod; Oid collation; bool not_null; char identity, generated; int ndims; bool dropped; } NewColumn;
/* pg_class, pg_type row type, pg_attribute, storage, toast table when needed. Returns the new relation's OID. */
Oid rel_create(const char *name, Oid nsp, char kind, char persistence, Oid owner, const NewColumn *cols, int ncols, Oid tablespace, Datum reloptions /* 0 none */, Oid given_oid);
Oid index_create(Oid heap, const char *name, int nkeys, int ncolumns, const int16_t *attnums, const Oid *opclasses, const Oid *collations, const int16_t *options,
                 const List *exprs, const void *predicate, bool unique, bool primary, bool immediate, bool nulls_not_distinct, bool build);
void index_build(Oid index); /* scans the heap; expression evaluation through index_expr_hook */
/* Registered by core/sql: evaluates an index's expressions and predicate for one row; returns false if the predicate excludes it. */
extern bool (*index_expr_hook)(IndexDesc *ix, RelDesc *heap, const Datum *row, const bool *nulls, Datum *out, bool *outnull);
Oid constraint_create(const char *name, Oid nsp, char type, bool deferrable, bool deferred, bool valid, Oid rel, const int16_t *cols, int n, Oid index, Oid ref_rel, const int16_t *ref_cols, const Oid *eq_ops, char on_update, char on_delete, char match, const int16_t *set_cols, int nset, const void *expr_tree, Oid domain, bool no_inherit);
/* pg_attrdef row and attribute flag of a default or generation expression (Expr). */
Oid attrdef_create(Oid rel, int attnum, const void *expr_tree, bool generated);
Oid attrdef_of(Oid rel, int attnum); /* 0: none */
/* nextval(): one more value for this session. And DISCARD SEQUENCES. */
int64_t sequence_next(Oid seq, bool check_privileges);
void sequence_discard(void);
void advisory_unlock_all(void); /* of the session: DISCARD ALL, pg_advisory_unlock_all() */
void rel_set_new_storage(Oid rel); /* TRUNCATE, rewrites: new relfilenode, indexes too; old dropped at commit */
void rel_update_stats(Oid rel, double tuples, int pages, int allvisible); /* in place */
/* After a round of vacuum: what all tables of the open database, then all databases, no longer need. In a transaction. */
void catalog_update_frozen(void);
void rel_update_frozen(Oid rel, Xid xid, MultiId multi); /* in place: no tuple holds lower ids that matter */
Oid relation_rename(Oid rel, const char *name);
/* For ALTER TABLE: a column row (late_rank: -1 created with the table, else n-th added later), checks as at
 * creation, the toast table once it is needed, type names that must not collide. */
void rel_insert_attribute(Oid rel, int attnum, const NewColumn *c, int late_rank);
void rel_check_column_type(const char *name, Oid type, char kind);
void rel_ensure_toast(Oid rel);
bool type_make_room(const char *name, Oid nsp); /* false: a type of that name stays in the way */
Oid index_constraint(Oid index);                /* the constraint an index implements; 0: none */
Datum acl_for_new(Arena *a, char objtype, Oid owner, Oid nsp, bool *isnull); /* ALTER DEFAULT PRIVILEGES */
char *make_object_name(Arena *a, const char *n1, const char *n2, const char *label);
char *choose_constraint_name(Arena *a, const char *n1, const char *n2, const char *label, Oid nsp, const List *others /* char *, taken too */);
char *choose_relation_name(Arena *a, const char *n1, const char *n2, const char *label, Oid nsp); /* t_a_seq, t_pkey1 ... */

/* ---- life ---- */
extern const char catalog_system_views_sql[]; /* pg_tables ..., information_schema: initdb runs it */
extern bool catalog_system_oids;      /* initdb: new objects get OIDs below 16384 */
void catalog_settings_register(void); /* search_path; catalog_shm_register calls it */
void catalog_shm_register(void);      /* invalidation queue */
void catalog_process_init(void);      /* after attaching; no database yet */
void catalog_open_database(Oid db);   /* the session's database: builds first descriptors */
extern Oid catalog_database;          /* 0: none yet */
extern TimestampTz catalog_start_time, catalog_conf_load_time; /* of the instance; set by procs before the first fork and on reload; 0 unknown */
extern int catalog_encoding;          /* pg_database.encoding; 6: UTF8 */
/* Invalidation: shared queue of messages; a backend that lags behind resets all its caches. */
void catalog_accept_invalidations(void); /* at statement and lock boundaries; cheap when nothing is new */
typedef void (*CatInvalCallback)(Oid table, Oid object /* 0: all */);
void catalog_on_invalidation(CatInvalCallback fn); /* plan and statement caches */
uint64_t catalog_version(void);       /* bumped by each accepted invalidation: cheap validity test */
/* initdb: creates the catalogs of template1 from the .def data (single process). */
/* pg_database rows of the copies initdb makes of it: template0 (4), postgres (5). In a transaction, template1 open. */
void catalog_add_database(Oid oid, const char *name, bool is_template, bool allow_connections);
/* After the system views: fills pg_init_privs. In a transaction. */
void catalog_record_init_privs(void);
void catalog_bootstrap(const char *superuser, const char *locale_collate, const char *locale_ctype, int encoding);

#endif
