/*
 * This process's pending counts.
 *
 * Relations used since the last flush have a StatsRel, found by a small hash table; links remember it.
 * A flush moves all of it, gives the memory back and moves stats_epoch, so that links look again: the
 * table never holds more than what one second, or one transaction, has used.
 *
 * Rows inserted, updated and deleted are counted per (sub)transaction level (StatsTrans) and settled at
 * its end, by PostgreSQL's rules: an aborted insertion is a dead row, an aborted deletion nothing; a
 * TRUNCATE forgets what its level counted before, and gives it back if it is undone.
 */
#include "core/base/hash.h"
#include "core/stats/stats_internal.h"

uint64_t stats_epoch = 1;
bool stats_xact_work;
StatsDbCounts stats_db;
Oid stats_database;
StatsRel *stats_pending;

typedef struct Level {
    int nesting;
    StatsTrans *first;
    struct Level *outer;
} Level;
typedef struct Coming { /* a relation that comes or goes with a level */
    Oid db, oid;
    int nesting;
    bool created;
    struct Coming *next;
} Coming;

static Arena *arena;
static StatsRel **table;
static uint32_t table_mask, table_used;
static Level *levels;
static Coming *comings;
static StatsTrans *free_trans;
static Level *free_levels;
static Coming *free_comings;

/* ---- relations ---- */

static inline uint32_t
home(Oid db, Oid oid)
{
    return (uint32_t)hash_u64((uint64_t)db << 32 | oid) & table_mask;
}

static void
table_put(StatsRel *r)
{
    uint32_t i = home(r->db, r->oid);

    while (table[i])
        i = (i + 1) & table_mask;
    table[i] = r;
}

static void
table_grow(void)
{
    uint32_t n = table ? (table_mask + 1) * 2 : 64;

    if (!arena)
        arena = arena_create(arena_top(), "pending statistics");
    table = ARENA_ARRAY(arena, StatsRel *, n);
    table_mask = n - 1;
    for (StatsRel *r = stats_pending; r; r = r->next)
        table_put(r);
}

StatsRel *
stats_pending_find(Oid db, Oid oid)
{
    if (table)
        for (uint32_t i = home(db, oid); table[i]; i = (i + 1) & table_mask)
            if (table[i]->oid == oid && table[i]->db == db)
                return table[i];
    return NULL;
}

StatsRel *
stats_attach(StatsLink *l, Oid db, Oid oid)
{
    StatsRel *r = NULL;

    if (track_counts && oid != 0) {
        r = stats_pending_find(db, oid);
        if (r == NULL) {
            if (table == NULL || table_used * 2 > table_mask)
                table_grow();
            r = ARENA_NEW(arena, StatsRel);
            r->db = db;
            r->oid = oid;
            r->next = stats_pending;
            stats_pending = r;
            table_put(r);
            table_used++;
        }
    }
    l->rel = r;
    l->epoch = stats_epoch;
    return r;
}

void
stats_pending_forget(void)
{
    ASSERT(levels == NULL && comings == NULL);
    stats_pending = NULL;
    table = NULL;
    table_mask = table_used = 0;
    free_trans = NULL;
    free_levels = NULL;
    free_comings = NULL;
    if (arena)
        arena_reset(arena);
    stats_epoch++;
}

/* ---- levels ---- */

/* The level's list; levels are entered in order, each only when it has something. */
static Level *
level_of(int nesting)
{
    Level *v = levels;

    if (v && v->nesting == nesting)
        return v;
    if (!arena)
        arena = arena_create(arena_top(), "pending statistics");
    v = free_levels;
    if (v)
        free_levels = v->outer;
    else
        v = ARENA_NEW(arena, Level);
    v->nesting = nesting;
    v->first = NULL;
    v->outer = levels;
    levels = v;
    stats_xact_work = true;
    return v;
}

static void
level_add(Level *v, StatsTrans *t)
{
    t->next = v->first;
    v->first = t;
}

StatsTrans *
stats_trans(StatsRel *r)
{
    int nesting = lock_current_level;
    Level *v;
    StatsTrans *t;

    if (r->trans && r->trans->nesting == nesting)
        return r->trans;
    v = level_of(nesting);
    t = free_trans;
    if (t)
        free_trans = t->next;
    else
        t = arena_alloc(arena, sizeof *t);
    memset(t, 0, sizeof *t);
    t->nesting = nesting;
    t->rel = r;
    t->upper = r->trans;
    r->trans = t;
    level_add(v, t);
    return t;
}

static void
truncate_remember(StatsTrans *t, bool again)
{
    if (t->truncated && !again)
        return;
    t->inserted_before = t->inserted;
    t->updated_before = t->updated;
    t->deleted_before = t->deleted;
    t->truncated = true;
}

static void
truncate_undo(StatsTrans *t)
{
    if (!t->truncated)
        return;
    t->inserted = t->inserted_before;
    t->updated = t->updated_before;
    t->deleted = t->deleted_before;
}

void
stats_count_truncate(StatsLink *l, Oid db, Oid oid)
{
    StatsRel *r = stats_rel(l, db, oid);
    StatsTrans *t;

    if (r == NULL)
        return;
    t = stats_rel_trans(r);
    truncate_remember(t, false);
    t->inserted = t->updated = t->deleted = 0;
}

/* ---- ends ---- */

static void
settle(StatsTrans *t, bool commit)
{
    StatsRel *r = t->rel;

    if (!commit)
        truncate_undo(t);
    r->inserted += t->inserted;
    r->updated += t->updated;
    r->deleted += t->deleted;
    if (commit) {
        if (t->truncated) {
            r->truncated = true;
            r->live_delta = r->dead_delta = 0;
        }
        r->live_delta += t->inserted - t->deleted;
        r->dead_delta += t->updated + t->deleted;
        r->changed += t->inserted + t->updated + t->deleted;
    } else {
        r->dead_delta += t->inserted + t->updated;
    }
}

static void
trans_free(StatsTrans *t)
{
    t->next = free_trans;
    free_trans = t;
}

static Level *
level_pop(void)
{
    Level *v = levels;

    levels = v->outer;
    v->outer = free_levels;
    free_levels = v;
    return v;
}

/* The relation is gone: neither its entry nor pending counts of it are wanted. */
static void
forget_rel(Oid db, Oid oid)
{
    StatsRel *r = stats_pending_find(db, oid);

    if (r)
        r->dropped = true;
    stats_drop_rel(db, oid);
}

static void
comings_end(int nesting, bool commit)
{
    while (comings && comings->nesting >= nesting) {
        Coming *c = comings;

        if (c->created != commit)
            forget_rel(c->db, c->oid);
        comings = c->next;
        c->next = free_comings;
        free_comings = c;
    }
}

void
stats_settle_end(bool commit)
{
    /* What subtransactions still open counted comes first: their levels end with the top's. */
    while (levels) {
        Level *v = level_pop();

        for (StatsTrans *t = v->first, *next; t; t = next) {
            next = t->next;
            settle(t, commit);
            t->rel->trans = NULL;
            trans_free(t);
        }
    }
    comings_end(1, commit);
    stats_xact_work = false;
}

/* A level's counts become the outer one's. */
static void
hand_up(StatsTrans *t, int nesting)
{
    StatsTrans *up = t->upper;

    if (up && up->nesting == nesting - 1) {
        if (t->truncated) {
            truncate_remember(up, false);
            up->inserted = t->inserted;
            up->updated = t->updated;
            up->deleted = t->deleted;
        } else {
            up->inserted += t->inserted;
            up->updated += t->updated;
            up->deleted += t->deleted;
        }
        t->rel->trans = up;
        trans_free(t);
        return;
    }
    t->nesting = nesting - 1;
    level_add(level_of(nesting - 1), t);
}

void
stats_settle_sub_end(int nesting, bool commit)
{
    while (levels && levels->nesting >= nesting) {
        Level *v = level_pop();

        for (StatsTrans *t = v->first, *next; t; t = next) {
            next = t->next;
            if (commit) {
                hand_up(t, nesting);
                continue;
            }
            settle(t, false);
            t->rel->trans = t->upper;
            trans_free(t);
        }
    }
    if (!commit) {
        comings_end(nesting, false);
        return;
    }
    for (Coming *c = comings; c && c->nesting >= nesting; c = c->next)
        c->nesting = nesting - 1;
}

static void
note_coming(Oid db, Oid oid, bool created)
{
    Coming *c = free_comings;

    if (!arena)
        arena = arena_create(arena_top(), "pending statistics");
    if (c)
        free_comings = c->next;
    else
        c = ARENA_NEW(arena, Coming);
    *c = (Coming){.db = db, .oid = oid, .nesting = lock_current_level, .created = created, .next = comings};
    comings = c;
    stats_xact_work = true;
}

void
stats_note_created(Oid db, Oid oid)
{
    note_coming(db, oid, true);
}

void
stats_note_dropped(Oid db, Oid oid)
{
    StatsRel *r = stats_pending_find(db, oid);

    note_coming(db, oid, false);
    if (r && r->trans && r->trans->nesting == lock_current_level) {
        truncate_remember(r->trans, true);
        r->trans->inserted = r->trans->updated = r->trans->deleted = 0;
    }
}

bool
stats_pending_rel(Oid db, Oid oid, StatsRelCounts *out)
{
    StatsRel *r = stats_pending_find(db, oid);

    memset(out, 0, sizeof *out);
    if (r == NULL)
        return false;
    out->scans = r->scans;
    out->returned = r->returned;
    out->fetched = r->fetched;
    out->inserted = r->inserted;
    out->updated = r->updated;
    out->deleted = r->deleted;
    out->hot_updated = r->hot_updated;
    out->blocks_fetched = r->blocks_fetched;
    out->blocks_hit = r->blocks_hit;
    for (const StatsTrans *t = r->trans; t; t = t->upper) {
        out->inserted += t->inserted;
        out->updated += t->updated;
        out->deleted += t->deleted;
    }
    return true;
}
