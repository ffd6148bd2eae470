/*
 * Resource owners: what a statement or (sub)transaction holds and an error must give back. Buffer
 * pins have an array of their own, since they come and go at every row; all else is a callback.
 *
 * Owners and their arrays are recycled: after the first statements nothing is allocated here.
 */
#include "core/txn/txn_internal.h"

typedef struct ResEntry {
    void (*fn)(void *arg);
    void *arg;
} ResEntry;

struct ResOwner {
    ResOwner *parent, *child, *sibling;
    const char *name;
    Buf *pins;
    int npins, pin_cap;
    ResEntry *entries;
    int nentries, entry_cap;
};

ResOwner *res_current;
static ResOwner *free_owners;

ResOwner *
res_create(ResOwner *parent, const char *name)
{
    ResOwner *o = free_owners;

    if (o) {
        free_owners = o->sibling;
    } else {
        o = ARENA_NEW(arena_top(), ResOwner);
        o->pin_cap = 32;
        o->pins = ARENA_ARRAY(arena_top(), Buf, o->pin_cap);
        o->entry_cap = 8;
        o->entries = ARENA_ARRAY(arena_top(), ResEntry, o->entry_cap);
    }
    o->name = name;
    o->npins = o->nentries = 0;
    o->child = NULL;
    o->parent = parent;
    o->sibling = NULL;
    if (parent) {
        o->sibling = parent->child;
        parent->child = o;
    }
    return o;
}

void
res_release(ResOwner *o, bool commit)
{
    for (ResOwner *c = o->child; c; c = c->sibling)
        res_release(c, commit);
    if (commit && o->npins > 0)
        REPORT(LEVEL_WARNING, SQLSTATE_WARNING,
               err_message("%d buffer pins leaked by %s", o->npins, o->name));
    while (o->npins > 0)
        buf_unpin(o->pins[--o->npins]);
    while (o->nentries > 0) {
        ResEntry e = o->entries[--o->nentries];

        e.fn(e.arg);
    }
}

void
res_destroy(ResOwner *o)
{
    ASSERT(o->npins == 0 && o->nentries == 0);
    while (o->child)
        res_destroy(o->child);
    if (o->parent)
        for (ResOwner **p = &o->parent->child; *p; p = &(*p)->sibling)
            if (*p == o) {
                *p = o->sibling;
                break;
            }
    o->sibling = free_owners;
    free_owners = o;
}

static void
pins_grow(ResOwner *o)
{
    Buf *p = ARENA_ARRAY(arena_top(), Buf, o->pin_cap * 2);

    memcpy(p, o->pins, sizeof(Buf) * (size_t)o->npins);
    o->pins = p;
    o->pin_cap *= 2;
}

static void
entries_grow(ResOwner *o)
{
    ResEntry *p = ARENA_ARRAY(arena_top(), ResEntry, o->entry_cap * 2);

    memcpy(p, o->entries, sizeof(ResEntry) * (size_t)o->nentries);
    o->entries = p;
    o->entry_cap *= 2;
}

void
res_remember(ResOwner *o, void (*fn)(void *arg), void *arg)
{
    if (o->nentries == o->entry_cap)
        entries_grow(o);
    o->entries[o->nentries++] = (ResEntry){fn, arg};
}

void
res_forget(ResOwner *o, void (*fn)(void *arg), void *arg)
{
    for (int i = o->nentries - 1; i >= 0; i--)
        if (o->entries[i].fn == fn && o->entries[i].arg == arg) {
            memmove(&o->entries[i], &o->entries[i + 1],
                    sizeof(ResEntry) * (size_t)(o->nentries - i - 1));
            o->nentries--;
            return;
        }
}

/* The child's resources become the parent's: end of a committed subtransaction. */
void
res_hand_over(ResOwner *from, ResOwner *to)
{
    while (from->child) {
        ResOwner *c = from->child;

        from->child = c->sibling;
        c->parent = to;
        c->sibling = to->child;
        to->child = c;
    }
    for (int i = 0; i < from->npins; i++) {
        if (to->npins == to->pin_cap)
            pins_grow(to);
        to->pins[to->npins++] = from->pins[i];
    }
    for (int i = 0; i < from->nentries; i++)
        res_remember(to, from->entries[i].fn, from->entries[i].arg);
    from->npins = from->nentries = 0;
}

/* ---- buffers with an owner ---- */

static inline void
pin_room(void)
{
    if (UNLIKELY(res_current && res_current->npins == res_current->pin_cap))
        pins_grow(res_current);
}

static inline Buf
pin_remember(Buf b)
{
    if (LIKELY(res_current != NULL))
        res_current->pins[res_current->npins++] = b;
    return b;
}

static inline bool
pin_forget_in(ResOwner *o, Buf b)
{
    for (int i = o->npins - 1; i >= 0; i--)
        if (o->pins[i] == b) {
            o->pins[i] = o->pins[--o->npins];
            return true;
        }
    return false;
}

static bool
pin_forget_below(ResOwner *o, Buf b)
{
    if (pin_forget_in(o, b))
        return true;
    for (ResOwner *c = o->child; c; c = c->sibling)
        if (pin_forget_below(c, b))
            return true;
    return false;
}

/* A pin taken under another owner (a portal's, an outer transaction's). */
static void
pin_forget_slow(Buf b)
{
    ResOwner *o = res_current;

    while (o->parent)
        o = o->parent;
    if (!pin_forget_below(o, b))
        INTERNAL_ERROR("buffer %d is not pinned by this transaction", (int)b);
}

Buf
rbuf_read(RelLocator r, ForkNo f, BlockNo b)
{
    Buf out;

    pin_room();
    RAISE_ON(buf_read(r, f, b, BUF_NORMAL, NULL, &out));
    return pin_remember(out);
}

Buf
rbuf_read_mode(RelLocator r, ForkNo f, BlockNo b, BufMode mode, BufRing *ring)
{
    Buf out;

    pin_room();
    RAISE_ON(buf_read(r, f, b, mode, ring, &out));
    return pin_remember(out);
}

Buf
rbuf_read_hint(RelLocator r, ForkNo f, BlockNo b, Buf hint)
{
    Buf out;

    pin_room();
    RAISE_ON(buf_read_hint(r, f, b, hint, &out));
    return pin_remember(out);
}

Buf
rbuf_read_shared(RelLocator r, ForkNo f, BlockNo b, Buf hint)
{
    Buf out;

    pin_room();
    RAISE_ON(buf_read_shared(r, f, b, NULL, hint, &out));
    return pin_remember(out);
}

Buf
rbuf_read_shared_ring(RelLocator r, ForkNo f, BlockNo b, BufRing *ring)
{
    Buf out;

    pin_room();
    RAISE_ON(buf_read_shared(r, f, b, ring, BUF_INVALID, &out));
    return pin_remember(out);
}

Buf
rbuf_extend(RelLocator r, ForkNo f, BufRing *ring, int n, BlockNo *first)
{
    Buf out;

    pin_room();
    RAISE_ON(buf_extend(r, f, ring, n, first, &out));
    return pin_remember(out);
}

BlockNo
rbuf_blocks(RelLocator r, ForkNo f)
{
    BlockNo n;

    RAISE_ON(buf_fork_blocks(r, f, &n));
    return n;
}

void
rbuf_pin_again(Buf b)
{
    pin_room();
    buf_pin_again(b);
    (void)pin_remember(b);
}

static inline void
pin_forget(Buf b)
{
    if (LIKELY(res_current != NULL) && UNLIKELY(!pin_forget_in(res_current, b)))
        pin_forget_slow(b);
}

void
rbuf_unpin(Buf b)
{
    pin_forget(b);
    buf_unpin(b);
}

void
rbuf_release(Buf b)
{
    pin_forget(b);
    buf_release(b);
}
