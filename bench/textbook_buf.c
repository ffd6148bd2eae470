/*
 * See textbook_buf.h.
 */
#include "textbook_buf.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bufmgr/buf_internal.h"

#define ONE_PIN 1u
#define PINS_MASK 0x3FFFFu
#define ONE_USAGE (1u << 18)
#define USAGE_MASK (0xFu << 18)
#define HEADER_LOCKED (1u << 22)
#define TAG_VALID (1u << 25)
#define VALID (1u << 24)
#define DIRTY (1u << 23)

#define LOCK_EXCLUSIVE_BIT (1u << 24)
#define LOCK_RELEASE_OK (1u << 29)
#define LOCK_COUNT_MASK 0xFFFFFFu

/* What this process holds, as PostgreSQL keeps it: an array of locks, an array of eight pins. */
static struct { TextLock *lock; int mode; } held[200];
static int held_count;
static struct { int id, count; } pins[8];

TextPool *
text_pool_create(uint32_t frames)
{
    uint32_t buckets = 1;
    while (buckets < frames)
        buckets *= 2;
    size_t bytes = sizeof(TextPool) + (size_t)frames * (sizeof(TextFrame) + sizeof(TextEntry)) + (size_t)buckets * sizeof(TextEntry *) + 256;
    char *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        abort();
    madvise(at, bytes, MADV_HUGEPAGE);
    TextPool *p = (TextPool *)(void *)at;
    p->frame_count = frames;
    p->bucket_count = buckets;
    p->frames = (TextFrame *)(void *)(at + ALIGN_UP(sizeof(TextPool), (size_t)CACHE_LINE));
    p->entries = (TextEntry *)(void *)(p->frames + frames);
    p->buckets = (TextEntry **)(void *)(p->entries + frames);
    for (uint32_t i = 0; i < frames; i++) {
        p->frames[i].id = (int)i;
        p->entries[i].next = p->free_entries[i % 32];
        p->free_entries[i % 32] = &p->entries[i];
    }
    return p;
}

/* ---- locks ---- */

static void
lock_take(TextLock *l, uint32_t add, uint32_t forbidden)
{
    /* relaxed: validated by the compare-and-swap */
    uint32_t s = atomic_load_explicit(&l->state, memory_order_relaxed);
    for (;;) {
        if (s & forbidden) {
            sched_yield();
            s = atomic_load_explicit(&l->state, memory_order_relaxed); /* as above */
        } else if (atomic_compare_exchange_weak_explicit(&l->state, &s, s + add, memory_order_seq_cst, memory_order_relaxed)) {
            break; /* seq_cst: PostgreSQL's operation is a full barrier */
        }
    }
    held[held_count].lock = l;
    held[held_count++].mode = add != 1;
}

void
text_lock_shared(TextLock *l)
{
    lock_take(l, 1, LOCK_EXCLUSIVE_BIT);
}

static void
lock_exclusive(TextLock *l)
{
    lock_take(l, LOCK_EXCLUSIVE_BIT, LOCK_EXCLUSIVE_BIT | LOCK_COUNT_MASK);
}

void
text_unlock(TextLock *l)
{
    int i = held_count - 1;
    while (held[i].lock != l)
        i--;
    uint32_t sub = held[i].mode ? LOCK_EXCLUSIVE_BIT : 1;
    for (held_count--; i < held_count; i++)
        held[i] = held[i + 1];
    atomic_fetch_sub_explicit(&l->state, sub, memory_order_seq_cst); /* as PostgreSQL's */
}

/* ---- the table ---- */

static inline TextLock *
partition_of(TextPool *p, uint32_t hash)
{
    return &p->partitions[hash % 128].lock;
}

static inline uint32_t
hash_of(const BufTag *tag)
{
    return (uint32_t)(tag_hash(tag) >> 16);
}

static inline TextEntry **
find_entry(TextPool *p, const BufTag *tag, uint32_t hash)
{
    TextEntry **e = &p->buckets[hash & (p->bucket_count - 1)];
    while (*e && ((*e)->hash != hash || memcmp(&(*e)->tag, tag, sizeof(BufTag)) != 0))
        e = &(*e)->next;
    return e;
}

int
text_lookup(TextPool *p, const BufTag *tag)
{
    uint32_t hash = hash_of(tag);
    TextLock *l = partition_of(p, hash);
    text_lock_shared(l);
    TextEntry *e = *find_entry(p, tag, hash);
    int id = e ? e->id : -1;
    text_unlock(l);
    return id;
}

static void
insert_entry(TextPool *p, const BufTag *tag, uint32_t hash, int id)
{
    uint32_t list = hash % 32;
    while (!p->free_entries[list])
        list = (list + 1) % 32;
    TextEntry *e = p->free_entries[list], **at = &p->buckets[hash & (p->bucket_count - 1)];
    p->free_entries[list] = e->next;
    e->hash = hash;
    e->tag = *tag;
    e->id = id;
    e->next = *at;
    *at = e;
}

static void
delete_entry(TextPool *p, const BufTag *tag, uint32_t hash)
{
    TextEntry **at = find_entry(p, tag, hash), *e = *at;
    *at = e->next;
    e->next = p->free_entries[hash % 32];
    p->free_entries[hash % 32] = e;
}

/* ---- pins ---- */

static int
own_pin(int id, bool create)
{
    int empty = -1;
    for (int i = 0; i < 8; i++) {
        if (pins[i].count && pins[i].id == id)
            return i;
        if (!pins[i].count)
            empty = i;
    }
    if (create) {
        pins[empty].id = id;
        return empty;
    }
    return -1;
}

static void
pin(TextPool *p, int id, bool bump)
{
    int own = own_pin(id, true);
    if (pins[own].count++ > 0)
        return;
    TextFrame *f = &p->frames[id];
    uint32_t s = atomic_load_explicit(&f->state, memory_order_relaxed), next; /* validated below */
    do {
        while (s & HEADER_LOCKED)
            s = atomic_load_explicit(&f->state, memory_order_relaxed); /* as above */
        next = s + ONE_PIN;
        if (bump ? (s & USAGE_MASK) < USAGE_MAX * ONE_USAGE : (s & USAGE_MASK) == 0)
            next += ONE_USAGE;
        /* seq_cst: as PostgreSQL's */
    } while (!atomic_compare_exchange_weak_explicit(&f->state, &s, next, memory_order_seq_cst, memory_order_relaxed));
}

void
text_unpin(TextPool *p, int id)
{
    int own = own_pin(id, false);
    if (--pins[own].count > 0)
        return;
    TextFrame *f = &p->frames[id];
    uint32_t s = atomic_load_explicit(&f->state, memory_order_relaxed); /* validated below */
    do
        while (s & HEADER_LOCKED)
            s = atomic_load_explicit(&f->state, memory_order_relaxed); /* as above */
    /* seq_cst: as PostgreSQL's */
    while (!atomic_compare_exchange_weak_explicit(&f->state, &s, s - ONE_PIN, memory_order_seq_cst, memory_order_relaxed));
}

int
text_read(TextPool *p, const BufTag *tag, bool in_ring)
{
    uint32_t hash = hash_of(tag);
    TextLock *l = partition_of(p, hash);
    text_lock_shared(l);
    TextEntry *e = *find_entry(p, tag, hash);
    int id = e ? e->id : -1;
    if (id >= 0)
        pin(p, id, !in_ring);
    text_unlock(l);
    return id;
}

/* ---- replacement ---- */

static uint32_t
header_lock(TextFrame *f)
{
    for (;;) {
        uint32_t s = atomic_fetch_or_explicit(&f->state, HEADER_LOCKED, memory_order_seq_cst); /* as PostgreSQL's */
        if (!(s & HEADER_LOCKED))
            return s | HEADER_LOCKED;
        sched_yield();
    }
}

static void
header_unlock(TextFrame *f, uint32_t s)
{
    atomic_store_explicit(&f->state, s & ~HEADER_LOCKED, memory_order_release); /* release: the header's fields */
}

int
text_tick(TextPool *p)
{
    /* seq_cst: as PostgreSQL's */
    uint32_t at = atomic_fetch_add_explicit(&p->hand, 1, memory_order_seq_cst);
    if (at >= p->frame_count)
        at %= p->frame_count;
    TextFrame *f = &p->frames[at];
    uint32_t s = header_lock(f);
    if ((s & PINS_MASK) == 0) {
        if ((s & USAGE_MASK) == 0)
            return (int)at;
        s -= ONE_USAGE;
    }
    header_unlock(f, s);
    return -1;
}

static void
pin_locked(TextFrame *f, uint32_t s)
{
    int own = own_pin(f->id, true);
    pins[own].count++;
    header_unlock(f, s + ONE_PIN);
}

static int
ring_victim(TextPool *p, TextRing *ring)
{
    ring->current = (ring->current + 1) % ring->size;
    int id = ring->frames[ring->current];
    if (id < 0)
        return -1;
    TextFrame *f = &p->frames[id];
    uint32_t s = header_lock(f);
    if ((s & PINS_MASK) == 0 && (s & USAGE_MASK) <= ONE_USAGE) {
        pin_locked(f, s);
        return id;
    }
    header_unlock(f, s);
    return -1;
}

int
text_victim(TextPool *p, TextRing *ring)
{
    for (;;) {
        int id = ring ? ring_victim(p, ring) : -1;
        if (id < 0) {
            while ((id = text_tick(p)) < 0)
                ;
            pin_locked(&p->frames[id], atomic_load_explicit(&p->frames[id].state, memory_order_relaxed)); /* ours */
            if (ring)
                ring->frames[ring->current] = id;
        }
        TextFrame *f = &p->frames[id];
        if (!(atomic_load_explicit(&f->state, memory_order_relaxed) & TAG_VALID)) /* our pin holds it */
            return id;
        uint32_t hash = hash_of(&f->tag);
        TextLock *l = partition_of(p, hash);
        lock_exclusive(l);
        uint32_t s = header_lock(f);
        if ((s & PINS_MASK) == 1 && !(s & DIRTY)) {
            BufTag old = f->tag;
            memset(&f->tag, 0, sizeof(f->tag));
            header_unlock(f, s & ~(TAG_VALID | VALID | USAGE_MASK));
            delete_entry(p, &old, hash);
            text_unlock(l);
            return id;
        }
        header_unlock(f, s);
        text_unlock(l);
        text_unpin(p, id);
    }
}

void
text_install(TextPool *p, int id, const BufTag *tag)
{
    uint32_t hash = hash_of(tag);
    TextLock *l = partition_of(p, hash);
    TextFrame *f = &p->frames[id];
    lock_exclusive(l);
    insert_entry(p, tag, hash, id);
    uint32_t s = header_lock(f);
    f->tag = *tag;
    header_unlock(f, (s & ~USAGE_MASK) | TAG_VALID | VALID | ONE_USAGE);
    text_unlock(l);
}

void
text_set_usage(TextPool *p, int id, uint32_t usage)
{
    TextFrame *f = &p->frames[id];
    /* relaxed: nobody else is about */
    uint32_t s = atomic_load_explicit(&f->state, memory_order_relaxed);
    atomic_store_explicit(&f->state, (s & ~USAGE_MASK) | usage * ONE_USAGE, memory_order_relaxed); /* as above */
}
