/*
 * DROP: finds all that has to go with the objects named, says so, and removes it, dependents first.
 *
 * The walk goes from an object to what depends on it, depth first, and appends an object after its
 * dependents: the list is the order of deletion. An object that is an internal part of another (the
 * index of a primary key, a view's rule) cannot be dropped by name; reached on the way, it takes its
 * owner with it. How an object was reached decides what is said: automatic and internal dependents go
 * silently, normal ones need CASCADE.
 */
#include <stdlib.h>

#include "core/base/stack.h"
#include "core/catalog/drop.h"

#define REACHED_ORIGINAL 1u
#define REACHED_NORMAL 2u
#define REACHED_AUTO 4u
#define REACHED_INTERNAL 8u
#define REACHED_REVERSE 16u
#define REACHED_SUBOBJECT 32u
#define REPORT_LINES_MAX 100

typedef struct Target { ObjAddr a; unsigned flags; ObjAddr dependee; } Target;
typedef struct Frame { ObjAddr a; unsigned flags; struct Frame *up; } Frame;
typedef struct Walk {
    Arena *arena;
    Target *targets;
    int n, cap;
    const ObjAddr *asked;
    int nasked;
} Walk;

/* Is it (or the whole it is a part of) in the list already? Notes the new way it was reached. */
static bool
known(Walk *w, ObjAddr a, unsigned flags)
{
    bool found = false;

    for (int i = w->n - 1; i >= 0; i--) {
        Target *t = &w->targets[i];

        if (t->a.cls != a.cls || t->a.obj != a.obj)
            continue;
        if (t->a.sub == a.sub) {
            t->flags |= flags;
            found = true;
        } else if (t->a.sub == 0) {
            found = true; /* the whole goes */
        } else if (a.sub == 0) {
            t->flags |= REACHED_SUBOBJECT; /* a part that was listed before the whole */
            if (flags)
                t->flags |= flags & (REACHED_AUTO | REACHED_INTERNAL);
        }
    }
    return found;
}

static bool
on_stack(Frame *f, ObjAddr a, unsigned flags)
{
    for (; f; f = f->up)
        if (f->a.cls == a.cls && f->a.obj == a.obj && (f->a.sub == a.sub || f->a.sub == 0)) {
            f->flags |= flags;
            return true;
        }
    return false;
}

static bool
was_asked(const Walk *w, ObjAddr a)
{
    for (int i = 0; i < w->nasked; i++)
        if (w->asked[i].cls == a.cls && w->asked[i].obj == a.obj && (w->asked[i].sub == 0 || w->asked[i].sub == a.sub))
            return true;
    return false;
}

static void
lock_for_drop(ObjAddr a)
{
    if (a.cls == CAT_PG_CLASS)
        lock_acquire_or_raise(lock_tag_relation(cat_rel_is_shared(a.obj) ? 0 : catalog_database, a.obj), LOCK_ACCESS_EXCLUSIVE);
    else
        lock_acquire_or_raise(lock_tag_object(db_of_class(a.cls), a.cls, a.obj, 0), LOCK_ACCESS_EXCLUSIVE);
    catalog_accept_invalidations();
}

typedef struct Edge { ObjAddr a; char type; } Edge;

static int
edges(Arena *arena, ObjAddr a, bool dependents, Edge **out)
{
    Datum keys[3] = {oid_datum(a.cls), oid_datum(a.obj), int32_datum(a.sub)};
    CatScan *s = cat_scan_begin(CAT_PG_DEPEND, dependents ? IDX_PG_DEPEND_REFERENCE_INDEX : IDX_PG_DEPEND_DEPENDER_INDEX, a.sub ? 3 : 2, keys);
    const CatRow *r;
    int n = 0, cap = 0;

    *out = NULL;
    while ((r = cat_scan_next(s)) != NULL) {
        Edge e;

        if (dependents)
            e.a = (ObjAddr){cat_oid(r, PG_DEPEND_CLASSID), cat_oid(r, PG_DEPEND_OBJID), datum_int32(cat_val(r, PG_DEPEND_OBJSUBID))};
        else
            e.a = (ObjAddr){cat_oid(r, PG_DEPEND_REFCLASSID), cat_oid(r, PG_DEPEND_REFOBJID), datum_int32(cat_val(r, PG_DEPEND_REFOBJSUBID))};
        e.type = cat_char(r, PG_DEPEND_DEPTYPE);
        if (n == cap) {
            *out = arena_realloc(arena, *out, sizeof(Edge) * (size_t)cap, sizeof(Edge) * (size_t)(cap * 2 + 16));
            cap = cap * 2 + 16;
        }
        (*out)[n++] = e;
    }
    cat_scan_end(s);
    return n;
}

/* Newest objects first: they are less likely to have dependents of their own. */
static int
compare_edges(const void *x, const void *y)
{
    const Edge *a = x, *b = y;

    if (a->a.obj != b->a.obj)
        return a->a.obj > b->a.obj ? -1 : 1;
    if (a->a.cls != b->a.cls)
        return a->a.cls < b->a.cls ? -1 : 1;
    return ((uint32_t)a->a.sub > (uint32_t)b->a.sub) - ((uint32_t)a->a.sub < (uint32_t)b->a.sub);
}

static void
collect(Walk *w, ObjAddr a, unsigned flags, Frame *up)
{
    Frame frame = {a, flags, up};
    Edge *list;
    int n;

    CHECK_STACK();
    if (on_stack(up, a, flags) || known(w, a, flags))
        return;
    if (object_is_pinned(a))
        RAISE(SQLSTATE_DEPENDENT_OBJECTS_STILL_EXIST, "cannot drop %s because it is required by the database system", object_describe(w->arena, a));

    /* Part of something? */
    n = edges(w->arena, a, false, &list);
    for (int i = 0; i < n; i++) {
        ObjAddr owner = list[i].a;

        if (list[i].type != 'i' || (owner.cls == a.cls && owner.obj == a.obj))
            continue;
        if (!up) {
            if (was_asked(w, owner))
                return; /* comes with that one */
            RAISE_ERR(SQLSTATE_DEPENDENT_OBJECTS_STILL_EXIST,
                      err_message("cannot drop %s because %s requires it", object_describe(w->arena, a), object_describe(w->arena, owner)),
                      err_hint("You can drop %s instead.", object_describe(w->arena, owner)));
        }
        if (on_stack(up, owner, 0))
            continue; /* we came from there */
        lock_for_drop(owner);
        collect(w, owner, (flags & (REACHED_NORMAL | REACHED_AUTO | REACHED_INTERNAL)) | REACHED_REVERSE, up);
        /* The owner's walk has listed this part, as it is a dependent of it. */
        if (known(w, a, flags))
            return;
    }

    n = edges(w->arena, a, true, &list);
    if (n > 1)
        qsort(list, (size_t)n, sizeof *list, compare_edges);
    for (int i = 0; i < n; i++) {
        unsigned how;

        if (list[i].a.cls == a.cls && list[i].a.obj == a.obj && (a.sub == 0 || list[i].a.sub == a.sub))
            continue;
        switch (list[i].type) {
        case 'n': how = REACHED_NORMAL; break;
        case 'a': case 'P': case 'S': case 'x': how = REACHED_AUTO; break;
        case 'i': how = REACHED_INTERNAL; break;
        default: continue;
        }
        lock_for_drop(list[i].a);
        if (!object_exists(list[i].a))
            continue; /* gone while we waited for the lock */
        collect(w, list[i].a, how, &frame);
    }

    if (w->n == w->cap) {
        int cap = w->cap ? w->cap * 2 : 32;

        w->targets = arena_realloc(w->arena, w->targets, sizeof(Target) * (size_t)w->cap, sizeof(Target) * (size_t)cap);
        w->cap = cap;
    }
    if (known(w, a, frame.flags))
        return;
    w->targets[w->n++] = (Target){a, frame.flags, up ? up->a : a};
}

/* ---- saying so ---- */

static void
report(Walk *w, bool cascade, bool quiet)
{
    StrBuf client;
    int reported = 0, more = 0;
    bool refuse = false;

    str_init(&client, w->arena);
    for (int i = w->n - 1; i >= 0; i--) {
        const Target *t = &w->targets[i];
        char *text;

        if (t->flags & (REACHED_ORIGINAL | REACHED_SUBOBJECT | REACHED_AUTO | REACHED_INTERNAL))
            continue;
        text = object_describe(w->arena, t->a);
        if (!text)
            continue;
        refuse |= !cascade;
        if (reported >= REPORT_LINES_MAX) {
            more++;
            continue;
        }
        if (reported++)
            str_add_char(&client, '\n');
        if (cascade) {
            str_printf(&client, "drop cascades to %s", text);
        } else {
            char *on = object_describe(w->arena, t->dependee);

            str_printf(&client, "%s depends on %s", text, on ? on : "an object that was dropped concurrently");
        }
    }
    if (more)
        str_printf(&client, more == 1 ? "\nand %d other object (see server log for list)" : "\nand %d other objects (see server log for list)", more);
    if (refuse) {
        if (w->nasked == 1)
            RAISE_ERR(SQLSTATE_DEPENDENT_OBJECTS_STILL_EXIST,
                      err_message("cannot drop %s because other objects depend on it", object_describe(w->arena, w->asked[0])),
                      err_detail("%s", client.data), err_hint("Use DROP ... CASCADE to drop the dependent objects too."));
        RAISE_ERR(SQLSTATE_DEPENDENT_OBJECTS_STILL_EXIST, err_message("cannot drop desired object(s) because other objects depend on them"),
                  err_detail("%s", client.data), err_hint("Use DROP ... CASCADE to drop the dependent objects too."));
    }
    if (quiet || reported == 0)
        return;
    if (reported + more > 1)
        REPORT(LEVEL_NOTICE, SQLSTATE_SUCCESS, err_message("drop cascades to %d other objects", reported + more), err_detail("%s", client.data));
    else
        REPORT(LEVEL_NOTICE, SQLSTATE_SUCCESS, err_message("%s", client.data));
}

/* ---- removing ---- */

#define HANDLERS_MAX 48
static struct { Oid cls; void (*drop)(ObjAddr a); } handlers[HANDLERS_MAX];
static int handler_count;

void
object_register_drop(Oid cls, void (*drop)(ObjAddr a))
{
    int i = 0;

    while (i < handler_count && handlers[i].cls != cls)
        i++;
    CHECK(i < HANDLERS_MAX);
    handlers[i].cls = cls;
    handlers[i].drop = drop;
    handler_count = MAX(handler_count, i + 1);
}

static void
remove_one(ObjAddr a)
{
    int i = 0;

    while (i < handler_count && handlers[i].cls != a.cls)
        i++;
    if (i == handler_count)
        UNSUPPORTED("dropping %s is not supported", object_describe(txn_current_arena(), a));
    handlers[i].drop(a);
    depend_delete_for(a, 0);
    depend_delete_shared(a);
    comment_delete(a);
    txn_command_increment();
}

static void
drop_all(const ObjAddr *objs, int n, bool cascade, bool quiet, bool keep_originals)
{
    Walk w = {.arena = arena_create(txn_current_arena(), "drop"), .asked = objs, .nasked = n};

    for (int i = 0; i < n; i++) {
        if (!keep_originals)
            lock_for_drop(objs[i]);
        if (object_exists(objs[i]))
            collect(&w, objs[i], REACHED_ORIGINAL, NULL);
    }
    report(&w, cascade, quiet);
    for (int i = 0; i < w.n; i++)
        if (!(keep_originals && (w.targets[i].flags & REACHED_ORIGINAL)))
            if (!(w.targets[i].flags & REACHED_SUBOBJECT) || object_exists(w.targets[i].a))
                remove_one(w.targets[i].a);
    arena_destroy(w.arena);
}

void
objects_drop(const ObjAddr *objs, int n, bool cascade, bool missing_ok_internal)
{
    if (n > 0)
        drop_all(objs, n, cascade, missing_ok_internal, false);
}

void
nsp_drop_contents(Oid nsp)
{
    ObjAddr a = {CAT_PG_NAMESPACE, nsp, 0};

    drop_all(&a, 1, true, true, true);
}

void
drop_handlers_init(void)
{
    static bool done;

    if (!done)
        drop_rows_init();
    done = true;
}
