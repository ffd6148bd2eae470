/*
 * A fixed-capacity hash table for shared memory: robin-hood open addressing. Entries lie in order of
 * their home slot, so that a search ends at the first entry that is nearer to its home than the key
 * would be; removal shifts the run behind it back by one, and no tombstones are left. The table has
 * a third more slots than its capacity, so runs stay short.
 *
 * No pointers inside: the memory may be mapped anywhere. The caller holds a lock around each call.
 */
#include "core/shm/shm_hash.h"

#include "core/base/hash.h"

struct ShmHash {
    uint64_t capacity, slots, count;
    uint32_t key_bytes, value_at, entry_bytes; /* entry: distance + 1 (u32; 0 free), hash (u32), key, value */
    uint32_t pad;
    char entries[];
};

typedef struct Head {
    uint32_t distance; /* from the home slot, plus 1; 0: free */
    uint32_t hash;
} Head;

static size_t
value_offset(size_t key_bytes)
{
    return ALIGN_UP(sizeof(Head) + key_bytes, (size_t)8);
}

static size_t
entry_size(size_t key_bytes, size_t value_bytes)
{
    return ALIGN_UP(value_offset(key_bytes) + value_bytes, (size_t)8);
}

static size_t
slot_count(size_t capacity)
{
    return capacity + capacity / 3 + 8;
}

/* Two scratch entries stand at the end: one is carried while inserting, one is for swapping. */
size_t
shm_hash_size(size_t key_bytes, size_t value_bytes, size_t capacity)
{
    return sizeof(ShmHash) + (slot_count(capacity) + 2) * entry_size(key_bytes, value_bytes);
}

ShmHash *
shm_hash_init(void *mem, size_t key_bytes, size_t value_bytes, size_t capacity)
{
    ShmHash *h = mem;
    ASSERT(((uintptr_t)mem & 7) == 0);
    ASSERT(key_bytes > 0 && capacity > 0);
    memset(mem, 0, shm_hash_size(key_bytes, value_bytes, capacity));
    h->capacity = capacity;
    h->slots = slot_count(capacity);
    h->key_bytes = (uint32_t)key_bytes;
    h->value_at = (uint32_t)value_offset(key_bytes);
    h->entry_bytes = (uint32_t)entry_size(key_bytes, value_bytes);
    return h;
}

static inline Head *
entry_at(ShmHash *h, uint64_t slot)
{
    return (Head *)(h->entries + slot * h->entry_bytes);
}

static inline char *
key_of(Head *e)
{
    return (char *)(e + 1);
}

static inline uint64_t
home_of(const ShmHash *h, uint32_t hash)
{
    return (uint64_t)hash * h->slots >> 32;
}

static inline uint64_t
next_slot(const ShmHash *h, uint64_t slot)
{
    return slot + 1 == h->slots ? 0 : slot + 1;
}

static Head *
find_entry(ShmHash *h, const void *key, uint32_t hash, uint64_t *slot_out)
{
    uint64_t slot = home_of(h, hash);
    for (uint32_t distance = 1;; distance++) {
        Head *e = entry_at(h, slot);
        if (e->distance < distance)
            return NULL; /* free, or nearer to its home than the key would be here */
        if (e->hash == hash && memcmp(key_of(e), key, h->key_bytes) == 0) {
            *slot_out = slot;
            return e;
        }
        slot = next_slot(h, slot);
    }
}

void *
shm_hash_find(ShmHash *h, const void *key)
{
    uint64_t slot;
    Head *e = find_entry(h, key, (uint32_t)hash_bytes(key, h->key_bytes), &slot);
    return e ? (char *)e + h->value_at : NULL;
}

void *
shm_hash_insert(ShmHash *h, const void *key, bool *found)
{
    uint64_t slot;
    uint32_t hash = (uint32_t)hash_bytes(key, h->key_bytes);
    Head *e = find_entry(h, key, hash, &slot);
    if (found)
        *found = e != NULL;
    if (e)
        return (char *)e + h->value_at;
    if (h->count == h->capacity)
        return NULL;

    Head *carried = entry_at(h, h->slots), *tmp = entry_at(h, h->slots + 1);
    memset(carried, 0, h->entry_bytes);
    carried->distance = 1;
    carried->hash = hash;
    memcpy(key_of(carried), key, h->key_bytes);
    char *value = NULL;
    for (slot = home_of(h, hash);; slot = next_slot(h, slot), carried->distance++) {
        e = entry_at(h, slot);
        if (e->distance == 0) {
            memcpy(e, carried, h->entry_bytes);
            break;
        }
        if (e->distance < carried->distance) { /* the richer one moves on */
            memcpy(tmp, e, h->entry_bytes);
            memcpy(e, carried, h->entry_bytes);
            memcpy(carried, tmp, h->entry_bytes);
            if (value == NULL)
                value = (char *)e + h->value_at; /* the new key has found its place */
        }
    }
    h->count++;
    return value ? value : (char *)e + h->value_at;
}

bool
shm_hash_remove(ShmHash *h, const void *key)
{
    uint64_t slot;
    Head *e = find_entry(h, key, (uint32_t)hash_bytes(key, h->key_bytes), &slot);
    if (e == NULL)
        return false;
    for (;;) {
        slot = next_slot(h, slot);
        Head *after = entry_at(h, slot);
        if (after->distance <= 1)
            break; /* free, or at home: the run ends */
        memcpy(e, after, h->entry_bytes);
        e->distance--;
        e = after;
    }
    memset(e, 0, h->entry_bytes);
    h->count--;
    return true;
}

size_t
shm_hash_count(const ShmHash *h)
{
    return h->count;
}

bool
shm_hash_next(ShmHash *h, size_t *cursor, void **key, void **value)
{
    while (*cursor < h->slots) {
        Head *e = entry_at(h, (*cursor)++);
        if (e->distance) {
            *key = key_of(e);
            *value = (char *)e + h->value_at;
            return true;
        }
    }
    return false;
}
