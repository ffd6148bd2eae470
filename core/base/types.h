/*
 * The vocabulary of scalar types shared by every module.
 */
#ifndef CORE_BASE_TYPES_H
#define CORE_BASE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t Datum;    /* a value: by-value types in place, all others a pointer to their bytes */
typedef uint32_t Oid;      /* catalog object id, PostgreSQL's numbering */
typedef uint64_t Xid;      /* transaction id; 48 bits are stored, never wraps */
typedef uint64_t Lsn;      /* byte position in the log; 0 = none */
typedef uint64_t MultiId;  /* set of row lockers, 48 bits stored */
typedef uint32_t CommandId;/* statement number inside a transaction */
typedef uint32_t BlockNo;  /* page number inside one fork */
typedef uint16_t OffsetNo; /* 1-based line pointer number inside a page */
typedef int64_t TimestampTz; /* microseconds since 2000-01-01 00:00 UTC */

#define OID_INVALID ((Oid)0)
#define OID_FIRST_USER ((Oid)16384)
#define LSN_INVALID ((Lsn)0)
#define BLOCK_INVALID ((BlockNo)0xFFFFFFFF)
#define OFFSET_INVALID ((OffsetNo)0)
#define OFFSET_FIRST ((OffsetNo)1)

#define XID_INVALID ((Xid)0)
#define XID_BOOTSTRAP ((Xid)1) /* committed always: rows written by initdb's first phase */
#define XID_FROZEN ((Xid)2)    /* committed always: stands in for an xmin older than all snapshots */
#define XID_FIRST_NORMAL ((Xid)3)
#define XID_MASK_48 UINT64_C(0xFFFFFFFFFFFF)

/* The physical file set of a relation. spc is a tablespace, db is 0 for shared relations. */
typedef struct RelLocator {
    Oid spc;
    Oid db;
    Oid rel; /* relfilenode */
} RelLocator;

typedef enum ForkNo {
    FORK_MAIN = 0,
    FORK_FSM = 1,
    FORK_VM = 2,
    FORK_INIT = 3,
    FORK_COUNT = 4
} ForkNo;

/* Address of a tuple: page and line pointer. */
typedef struct ItemPtr {
    BlockNo block;
    OffsetNo off;
} ItemPtr;

static inline bool
item_ptr_equal(ItemPtr a, ItemPtr b)
{
    return a.block == b.block && a.off == b.off;
}

static inline bool
rel_locator_equal(RelLocator a, RelLocator b)
{
    return a.rel == b.rel && a.db == b.db && a.spc == b.spc;
}

#endif
