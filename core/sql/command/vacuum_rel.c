/*
 * VACUUM and ANALYZE of one relation.
 */
#include "core/base/settings.h"
#include "core/sql/command/alter_internal.h"
#include "core/sql/command/stats.h"
#include "core/sql/command/vacuum.h"

static bool
may_vacuum(const RelDesc *r)
{
    return role_is_superuser(current_user_oid) || role_is_member(current_user_oid, r->owner) || (!r->shared && role_is_member(current_user_oid, object_owner(CAT_PG_DATABASE, catalog_database)));
}

/* A Boolean storage parameter of the relation, as text "name=value". */
static bool
option_says_no(const RelDesc *r, const char *name)
{
    size_t n = strlen(name);
    bool b = true;

    for (char **o = r->options; o && *o; o++)
        if (strncmp(*o, name, n) == 0 && (*o)[n] == '=' && settings_parse_bool(*o + n + 1, &b))
            return !b;
    return false;
}

/*
 * May the table's end be cut off? ACCESS EXCLUSIVE keeps out who locks the relation. Readers and writers of catalogs and
 * of TOAST tables do not: one of them could be about to use, or to fill, a page behind the cut.
 */
static bool
locked_by_all(const RelDesc *r)
{
    return r->kind != 't' && r->oid >= OID_FIRST_NORMAL;
}

static void
vacuum_heap(Arena *a, RelDesc *r, const VacuumJob *j)
{
    BtreeIndex **ix = ARENA_ARRAY(a, BtreeIndex *, r->nindexes + 1);
    char **names = ARENA_ARRAY(a, char *, r->nindexes + 1);
    VacuumStats *st = ARENA_NEW(a, VacuumStats);
    VacuumUsage usage;
    int n = 0;

    vacuum_usage_begin(&usage);
    for (int i = 0; i < r->nindexes; i++) {
        IndexDesc *d = index_open(r->indexes[i], LOCK_ROW_EXCLUSIVE);
        if (d->btree) {
            names[n] = arena_strdup(a, d->btree->name);
            ix[n++] = d->btree;
        }
    }
    VacuumOptions o = {.freeze = j->freeze,
                       .truncate = j->truncate && locked_by_all(r) && !option_says_no(r, "vacuum_truncate"),
                       .index_cleanup = j->index_cleanup && !option_says_no(r, "vacuum_index_cleanup"),
                       .freeze_after = j->freeze_min_age + 1,
                       .work_mem_kb = j->work_mem_kb};
    const CatRow *class_row = cat_get_by_oid(CAT_PG_CLASS, r->oid);
    if (class_row && !o.freeze)
        o.aggressive = xid_next() - xid_from_catalog((uint32_t)cat_val(class_row, PG_CLASS_RELFROZENXID)) > (Xid)vacuum_freeze_table_age;
    heap_vacuum(&r->heap, ix, n, &o, st);
    if (st->frozen_xid)
        rel_update_frozen(r->oid, st->frozen_xid, st->min_multi);
    rel_update_stats(r->oid, (double)st->tuples_live, (int)(st->pages - st->removed_pages), (int)st->all_visible);
    stats_report_vacuum(r->heap.db, r->oid, (int64_t)st->tuples_live, (int64_t)(st->tuples_dead_kept + st->missed_dead), j->autovacuum);
    vacuum_report(a, r, j, st, names, n, &usage);
}

/*
 * VACUUM FULL: the live rows into new files, the indexes built anew. As an ALTER TABLE that rewrites: a
 * snapshot older than this one that comes to the table later finds the new rows not yet visible.
 */
static void
rewrite(CommandContext *c, RelDesc *r, bool verbose)
{
    AlterTable t = {.c = c, .arena = c->arena, .oid = r->oid, .new_values = list_new(c->arena), .rewrite = true};

    check_relation_busy(r->oid, "VACUUM");
    if (verbose)
        REPORT(LEVEL_INFO, SQLSTATE_SUCCESS, err_message("vacuuming \"%s.%s\"", r->nsp_name, r->name));
    snapshot_push_active(snapshot_latest());
    alter_rewrite(&t);
    snapshot_pop_active();
    RelDesc *now = rel_open_again(t.oid);
    rel_update_stats(t.oid, r->reltuples, (int)heap_blocks(&now->heap), 0);
}

void
vacuum_relation(CommandContext *c, Oid oid, const VacuumJob *j)
{
    RelDesc *r;
    LockTag tag = lock_tag_relation(catalog_database, oid);
    bool full = j->full && oid >= OID_FIRST_USER; /* the system catalogs keep their files */
    LockMode mode = full ? LOCK_ACCESS_EXCLUSIVE : LOCK_SHARE_UPDATE_EXCLUSIVE;
    if (j->skip_locked) {
        LockResult got = lock_acquire(tag, mode, false, true);
        if (got != LOCK_OK && got != LOCK_ALREADY_HELD) {
            const CatRow *row = cat_get_by_oid(CAT_PG_CLASS, oid);
            if (row && (!j->autovacuum || j->log_min_ms >= 0))
                REPORT(j->autovacuum ? LEVEL_LOG : LEVEL_WARNING, SQLSTATE_LOCK_NOT_AVAILABLE,
                       err_message("skipping %s of \"%s\" --- lock not available", j->vacuum ? "vacuum" : "analyze",
                                   cat_name(c->arena, row, PG_CLASS_RELNAME)));
            return;
        }
    }
    r = rel_try_open(oid, mode);
    if (r == NULL)
        return;
    if (!may_vacuum(r)) {
        REPORT(LEVEL_WARNING, SQLSTATE_WARNING, err_message("skipping \"%s\" --- only table or database owner can %s it", r->name, j->vacuum ? "vacuum" : "analyze"));
        return;
    }
    if (r->kind != 'r' && r->kind != 'm' && r->kind != 't') {
        REPORT(LEVEL_WARNING, SQLSTATE_WARNING,
               err_message(j->vacuum ? "skipping \"%s\" --- cannot vacuum non-tables or special system tables" : "skipping \"%s\" --- cannot analyze non-tables or special system tables", r->name));
        return;
    }
    if (j->vacuum && full && r->kind != 't') {
        rewrite(c, r, j->verbose);
        r = rel_open_again(oid);
    } else if (j->vacuum) {
        if (j->verbose)
            REPORT(LEVEL_INFO, SQLSTATE_SUCCESS,
                   err_message("vacuuming \"%s.%s.%s\"", cat_name(c->arena, cat_get_by_oid(CAT_PG_DATABASE, catalog_database), PG_DATABASE_DATNAME), r->nsp_name, r->name));
        vacuum_heap(c->arena, r, j);
        if (r->toast_rel && !j->no_toast) {
            RelDesc *t = rel_try_open(r->toast_rel, LOCK_SHARE_UPDATE_EXCLUSIVE);
            if (t) {
                if (j->verbose)
                    REPORT(LEVEL_INFO, SQLSTATE_SUCCESS,
                           err_message("vacuuming \"%s.%s.%s\"", cat_name(c->arena, cat_get_by_oid(CAT_PG_DATABASE, catalog_database), PG_DATABASE_DATNAME), t->nsp_name, t->name));
                vacuum_heap(c->arena, t, j);
            }
        }
    }
    if (j->analyze && r->kind != 't' && r->oid != CAT_PG_STATISTIC) {
        VacuumUsage usage;

        vacuum_usage_begin(&usage);
        snapshot_push_active(snapshot_latest());
        stats_analyze(c->arena, r, j->columns, j->verbose, j->autovacuum);
        snapshot_pop_active();
        analyze_report(c->arena, r, j, &usage);
    }
}
