/*
 * Time: monotonic for intervals, wall clock in PostgreSQL's epoch for timestamps.
 */
#ifndef CORE_BASE_CLOCK_H
#define CORE_BASE_CLOCK_H

#include "core/base/types.h"

uint64_t clock_monotonic_us(void);
TimestampTz clock_now(void);
#define CLOCK_PG_EPOCH_UNIX_S INT64_C(946684800)

#endif
