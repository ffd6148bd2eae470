/*
 * Shared memory: named POSIX segments, mapped by the postmaster before its first fork so that every
 * process has them at the same address and plain pointers work inside them.
 *
 * Life: each module that wants shared memory registers a ShmRequest (name, size function, init
 * function); shm_create sizes, creates and initialises them in registration order. After a crash
 * shm_reinit destroys and creates them anew. A segment starts with ShmHeader.
 */
#ifndef CORE_SHM_SHM_H
#define CORE_SHM_SHM_H

#include "core/base/err.h"

typedef enum ShmSegmentId {
    SHM_CONTROL = 0, /* slots, small shared structs of all modules */
    SHM_BUFFERS,     /* page frames and buffer table */
    SHM_WAL,         /* WAL ring */
    SHM_LOCKS,       /* heavyweight lock table */
    SHM_STATS,
    SHM_SEGMENT_COUNT
} ShmSegmentId;

typedef struct ShmHeader {
    uint64_t magic;
    uint32_t layout_version;
    uint32_t owner_pid;
    uint64_t size_bytes;
    uint64_t used_bytes;
} ShmHeader;

typedef struct ShmRequest {
    const char *name;
    ShmSegmentId segment;
    size_t (*size)(void);     /* from settings; called once per creation */
    void (*init)(void *base); /* base: zeroed, 64-byte aligned, `size` bytes; keep it in a global */
} ShmRequest;

void shm_register(const ShmRequest *request); /* before shm_create; requests are static data */
/* instance_key: distinguishes instances on one machine (hash of the data directory and start time). */
void shm_create(uint64_t instance_key); /* raises 53200 naming the setting and size when /dev/shm is too small */
void shm_reinit(void);                  /* after a crash: the same, anew; every init runs again */
void shm_destroy(void);                 /* unmap and unlink */
/* Unlinks what a dead instance left, by the key recorded in its postmaster.pid. */
void shm_remove_stale(uint64_t instance_key);
bool shm_stale_exists(uint64_t instance_key);
size_t shm_total_bytes(void);
void shm_settings_register(void);       /* huge_pages; also done by the first shm_register */
void shm_check(void);                   /* PANIC when a segment's header does not hold */
/* Unit tests: private anonymous shared mapping, same registration. */
void shm_create_for_test(void);

#endif
