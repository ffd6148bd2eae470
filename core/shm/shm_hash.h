/*
 * A fixed-capacity hash table for shared memory: open addressing by robin hood, keys and values by
 * copy. The caller holds a lock of its own around every call.
 */
#ifndef CORE_SHM_SHM_HASH_H
#define CORE_SHM_SHM_HASH_H

#include "core/base/err.h"

typedef struct ShmHash ShmHash;
size_t shm_hash_size(size_t key_bytes, size_t value_bytes, size_t capacity);
ShmHash *shm_hash_init(void *mem, size_t key_bytes, size_t value_bytes, size_t capacity);
void *shm_hash_find(ShmHash *h, const void *key);
void *shm_hash_insert(ShmHash *h, const void *key, bool *found); /* NULL when full */
bool shm_hash_remove(ShmHash *h, const void *key);
size_t shm_hash_count(const ShmHash *h);
/* cursor starts at 0; false at the end. Removal of the current entry is allowed via shm_hash_remove
 * only after the iteration. */
bool shm_hash_next(ShmHash *h, size_t *cursor, void **key, void **value);

#endif
