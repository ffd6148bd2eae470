/*
 * lookup3 (Bob Jenkins, public domain, 2006) as PostgreSQL seeds it.
 */
#include "core/types/pg_hash.h"

#include "core/base/macros.h"

typedef struct Mix {
    uint32_t a, b, c;
} Mix;

static inline uint32_t
rot(uint32_t x, int k)
{
    return x << k | x >> (32 - k);
}

static inline void
mix(Mix *m)
{
    uint32_t a = m->a, b = m->b, c = m->c;

    a -= c; a ^= rot(c, 4); c += b;
    b -= a; b ^= rot(a, 6); a += c;
    c -= b; c ^= rot(b, 8); b += a;
    a -= c; a ^= rot(c, 16); c += b;
    b -= a; b ^= rot(a, 19); a += c;
    c -= b; c ^= rot(b, 4); b += a;
    *m = (Mix){a, b, c};
}

static inline void
final_mix(Mix *m)
{
    uint32_t a = m->a, b = m->b, c = m->c;

    c ^= b; c -= rot(b, 14);
    a ^= c; a -= rot(c, 11);
    b ^= a; b -= rot(a, 25);
    c ^= b; c -= rot(b, 16);
    a ^= c; a -= rot(c, 4);
    b ^= a; b -= rot(a, 14);
    c ^= b; c -= rot(b, 24);
    *m = (Mix){a, b, c};
}

static inline Mix
start(size_t n, uint64_t seed)
{
    uint32_t init = 0x9e3779b9u + (uint32_t)n + 3923095u;
    Mix m = {init, init, init};

    if (seed != 0) {
        m.a += (uint32_t)(seed >> 32);
        m.b += (uint32_t)seed;
        mix(&m);
    }
    return m;
}

static Mix
hash(const void *bytes, size_t n, uint64_t seed)
{
    const unsigned char *k = bytes;
    Mix m = start(n, seed);

    for (; n >= 12; n -= 12, k += 12) {
        m.a += load_u32(k);
        m.b += load_u32(k + 4);
        m.c += load_u32(k + 8);
        mix(&m);
    }
    /* The tail; the lowest byte of c belongs to the length, so its bytes start one higher. */
    for (size_t i = 0; i < n; i++) {
        uint32_t v = k[i];
        if (i < 4)
            m.a += v << (8 * i);
        else if (i < 8)
            m.b += v << (8 * (i - 4));
        else
            m.c += v << (8 * (i - 8) + 8);
    }
    final_mix(&m);
    return m;
}

uint32_t
pg_hash_bytes(const void *p, size_t n)
{
    return hash(p, n, 0).c;
}

uint64_t
pg_hash_bytes_extended(const void *p, size_t n, uint64_t seed)
{
    Mix m = hash(p, n, seed);
    return (uint64_t)m.b << 32 | m.c;
}

uint32_t
pg_hash_uint32(uint32_t v)
{
    Mix m = start(4, 0);
    m.a += v;
    final_mix(&m);
    return m.c;
}

uint64_t
pg_hash_uint32_extended(uint32_t v, uint64_t seed)
{
    Mix m = start(4, seed);
    m.a += v;
    final_mix(&m);
    return (uint64_t)m.b << 32 | m.c;
}
