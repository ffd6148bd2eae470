/*
 * What the files of core/catalog share: the hard-wired descriptors of the catalog tables, invalidation
 * bookkeeping, small helpers over rows. Rules are numbered in README.md.
 */
#ifndef CORE_CATALOG_CAT_INTERNAL_H
#define CORE_CATALOG_CAT_INTERNAL_H

#include "core/catalog/builtins.h"
#include "core/catalog/catalog.h"
#include "core/catalog/privileges.h"
#include "core/catalog/tree_hooks.h"

#define NSP_PG_CATALOG 11u
#define NSP_PG_TOAST 99u
#define NSP_PUBLIC 2200u
#define SPC_DEFAULT 1663u
#define SPC_GLOBAL 1664u
#define AM_HEAP 2u
#define AM_BTREE 403u
#define AM_HASH 405u
#define DB_TEMPLATE1 1u
#define ROLE_PUBLIC 0u /* as a grantee */
#define OID_FIRST_UNPINNED 12000u

/* ---- tables.c: descriptors made of tables.def, the same in every process ---- */
#define CAT_INDEX_KEYS_MAX 4

typedef struct CatColumn {
    const char *name;
    Oid type;
    bool not_null;
} CatColumn;

typedef struct CatIndex {
    Oid oid;
    const char *name;
    struct CatTable *table;
    bool unique, primary;
    int nkeys;
    int16_t attnums[CAT_INDEX_KEYS_MAX];
    BtreeIndex btree;
} CatIndex;

typedef struct CatTable {
    Oid oid, row_type, row_array_type;
    const char *name;
    bool shared;
    int natts;
    CatColumn *columns;
    int nindexes;
    CatIndex **indexes;
    CatIndex *oid_index; /* single unique key "oid"; NULL: none */
    Oid toast, toast_index;
    HeapRel heap, toast_heap;
    BtreeIndex toast_btree;
} CatTable;

extern CatTable cat_tables[];
extern const int cat_table_count;
CatTable *cat_table(Oid oid);       /* raises XX000 for any other relation */
CatTable *cat_table_find(Oid oid);  /* NULL */
CatIndex *cat_index(Oid oid);
CatIndex *cat_index_find(Oid oid);
bool cat_is_system_rel(Oid oid);    /* a catalog table, its index, its toast table or that one's index */
void cat_tables_init(void);
void cat_tables_set_database(Oid db, Oid tablespace);
bool cat_rel_is_shared(Oid oid);    /* a shared catalog, its index, its toast table */
bool cat_toast_find(Oid toast, HeapRel **rel, BtreeIndex **index);
/* Physical width of a type, also of one without TypeOps (dropped or unsupported). */
void cat_type_physical(Oid type, int16_t *len, bool *byval);
/* The layout of any toast table: chunk_id oid, chunk_seq int4, chunk_data bytea. */
const TupleLayout *cat_toast_layout(void);
void cat_toast_index_init(BtreeIndex *ix, BtreeKeyColumn columns[2]);
/* attcollation of a catalog column. */
Oid cat_column_collation(Oid type);
/* Open database's database part of lock tags and locators. */
static inline Oid cat_table_db(const CatTable *t) { return t->shared ? 0 : catalog_database; }

/* ---- rows.c ---- */
/* The raw values of one version on its page, toast pointers kept: for overwriting in place. */
void cat_overwrite(Oid table, ItemPtr tid, void (*change)(Datum *values, bool *nulls, void *arg), void *arg);
static inline Oid cat_oid(const CatRow *r, int attnum) { return datum_oid(cat_val(r, attnum)); }
static inline bool cat_bool(const CatRow *r, int attnum) { return datum_bool(cat_val(r, attnum)); }
static inline char cat_char(const CatRow *r, int attnum) { return (char)cat_val(r, attnum); }
/* Empty values of a row of `table` to fill in: all null. */
void cat_values_init(Datum *values, bool *nulls, int n);
#define CAT_SET(v, n, att, datum) ((v)[(att)-1] = (datum), (n)[(att)-1] = false)
/* Changes of one existing row: copies it, lets the caller set values. */
typedef struct CatEdit {
    Datum values[CAT_MAX_COLUMNS];
    bool nulls[CAT_MAX_COLUMNS];
    ItemPtr tid;
    Oid table;
} CatEdit;
void cat_edit_begin(CatEdit *e, Oid table, const CatRow *r);
void cat_edit_end(CatEdit *e);
void cat_rows_init(void);
extern bool catalog_bootstrapping; /* rows are written frozen, without index entries and invalidation */
/* initdb: new objects get OIDs below 16384, pinned. */
Oid cat_system_oid(void);

/* ---- inval.c ---- */
/* A row of `table` is about to change (values: either version of it). */
void inval_row(const CatTable *t, const Datum *values, const bool *nulls);
void inval_relation(Oid rel);
void inval_own_slow(void);
extern int inval_unapplied; /* own messages not yet applied to own caches */
/* Own changes become visible to own lookups with the command after. */
static inline void
inval_own(void)
{
    if (UNLIKELY(inval_unapplied > 0))
        inval_own_slow();
}
extern uint64_t inval_epoch; /* changes whenever anything cached may have gone */
void inval_reset_all(void);
/* cache.c, relcache.c, types.c ...: how they take a message. object 0: everything of that table. */
void inval_init(void);
void inval_send_all(void); /* everybody forgets everything: after CREATE DATABASE and the like */
void cache_invalidate(Oid table, Oid object);
void cache_reset(void);
void cache_at_end(void);
void relcache_invalidate(Oid rel);
void relcache_reset(void);
void relcache_at_end(void);
void types_invalidate(Oid table, Oid object);
void names_invalidate(Oid table);
void roles_invalidate(Oid table);
void functions_invalidate(Oid table, Oid object);
void names_at_end(TxnEvent e, int nesting);

/* ---- names.c ---- */
const Oid *search_path_named(int *n);
Oid nsp_toast_for(char persistence);
void names_reset(void);
void nsp_drop_contents(Oid nsp); /* drop.c */

/* ---- relcache.c ---- */
extern Oid catalog_database_tablespace;
RelLocator rel_locator(const CatRow *class_row);
void reg_hooks_init(void);    /* regtypes.c */
void drop_handlers_init(void);/* drop.c */
RelDesc *relcache_get(Oid oid); /* no lock; NULL: no such relation */

/* ---- types.c ---- */
extern const TypeOps type_ops_aclitem, type_ops_inet_text;
TypeInfo *type_info_or_null(Oid type);

/* ---- build.c ---- */
char relkind_to_objtype(char kind);

/* ---- describe.c ---- */
char *name_qualified(Arena *a, Oid nsp, const char *name, bool visible);
char *rel_name_qualified(Arena *a, Oid rel);
char *fn_signature(Arena *a, Oid fn, bool force_qualify);
char *op_signature(Arena *a, Oid op, bool force_qualify);
bool op_is_visible(Oid op);

/* ---- small things ---- */
static inline Oid db_of_class(Oid cls) { const CatTable *t = cat_table_find(cls); return t && t->shared ? 0 : catalog_database; }
Datum cat_oidvector(Arena *a, const Oid *oids, int n);
Datum cat_int2vector(Arena *a, const int16_t *v, int n);
Datum cat_oid_array(Arena *a, const Oid *oids, int n);
Datum cat_int2_array(Arena *a, const int16_t *v, int n);
Datum cat_text_array(Arena *a, char *const *v, int n);
int cat_int2_list(Datum array, int16_t *out, int max);  /* elements of int2vector or int2[] */
int cat_oid_list(Datum array, Oid *out, int max);

#endif
