/*
 * The hash values SQL can see (hashtext, hashint4 ...): PostgreSQL's numbers, which are Bob
 * Jenkins' lookup3 with its own start value. For in-memory hashing use core/base/hash.h.
 */
#ifndef CORE_TYPES_PG_HASH_H
#define CORE_TYPES_PG_HASH_H

#include <stddef.h>
#include <stdint.h>

uint32_t pg_hash_bytes(const void *p, size_t n);
uint64_t pg_hash_bytes_extended(const void *p, size_t n, uint64_t seed);
uint32_t pg_hash_uint32(uint32_t v);
uint64_t pg_hash_uint32_extended(uint32_t v, uint64_t seed);

#endif
