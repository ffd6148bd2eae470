/* Random numbers, buffers, frames of the protocol, and the mutation of both. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

/* splitmix64: any seed is good, and near seeds give unrelated sequences. */
uint64_t
rng_next(Rng *r)
{
    uint64_t z = (r->state += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

int
rng_below(Rng *r, int n)
{
    return (int)(rng_next(r) % (uint64_t)n);
}

bool
rng_percent(Rng *r, int percent)
{
    return rng_below(r, 100) < percent;
}

/* ---- buffers ---- */

void
buf_bytes(Buf *b, const void *p, size_t n)
{
    if (b->len + n + 1 > b->cap) {
        b->cap = (b->len + n + 1) * 2 + 64;
        b->data = realloc(b->data, b->cap);
        if (b->data == NULL)
            abort();
    }
    if (n)
        memcpy(b->data + b->len, p, n);
    b->len += n;
    b->data[b->len] = '\0'; /* texts can be read in place */
}

void
buf_text(Buf *b, const char *z)
{
    buf_bytes(b, z, strlen(z));
}

void
buf_string(Buf *b, const char *z)
{
    buf_bytes(b, z, strlen(z) + 1);
}

void
buf_byte(Buf *b, int c)
{
    char byte = (char)c;
    buf_bytes(b, &byte, 1);
}

void
buf_int16(Buf *b, int v)
{
    buf_byte(b, v >> 8);
    buf_byte(b, v);
}

void
buf_int32(Buf *b, uint32_t v)
{
    buf_int16(b, (int)(v >> 16));
    buf_int16(b, (int)(v & 0xffff));
}

void
buf_free(Buf *b)
{
    free(b->data);
    *b = (Buf){0};
}

/* ---- frames ---- */

Buf *
frames_add(Frames *f)
{
    if (f->count == f->cap) {
        f->cap = f->cap * 2 + 8;
        f->list = realloc(f->list, sizeof(Buf) * (size_t)f->cap);
        if (f->list == NULL)
            abort();
    }
    f->list[f->count] = (Buf){0};
    return &f->list[f->count++];
}

Buf *
frame_begin(Frames *f, char type)
{
    Buf *b = frames_add(f);
    buf_byte(b, type);
    buf_int32(b, 0);
    return b;
}

void
frame_end(Buf *b)
{
    uint32_t n = (uint32_t)b->len - 1;
    for (int i = 0; i < 4; i++)
        b->data[1 + i] = (char)(n >> (24 - 8 * i));
}

void
frames_free(Frames *f)
{
    for (int i = 0; i < f->count; i++)
        buf_free(&f->list[i]);
    free(f->list);
    *f = (Frames){0};
}

/* ---- mutation ---- */

static void
cut(Buf *b, size_t at, size_t n)
{
    memmove(b->data + at, b->data + at + n, b->len - at - n);
    b->len -= n;
    b->data[b->len] = '\0';
}

static void
insert(Buf *b, size_t at, const void *p, size_t n)
{
    Buf rest = {0};
    buf_bytes(&rest, b->data + at, b->len - at);
    b->len = at;
    buf_bytes(b, p, n);
    buf_bytes(b, rest.data, rest.len);
    buf_free(&rest);
}

/* Numbers at the edges of what a length, count or OID may be. */
static uint32_t
edge_number(Rng *r)
{
    static const uint32_t edges[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 127, 128, 255, 256, 9999, 10000, 32767, 32768, 65535, 65536,
                                     1000000, 0x3fffffff, 0x40000000, 0x7ffffffe, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff};
    return edges[rng_below(r, COUNT_OF(edges))];
}

void
bytes_mutate(Rng *r, Buf *b)
{
    for (int n = 1 + rng_below(r, 4); n > 0; n--) {
        size_t at = b->len ? (size_t)rng_below(r, (int)b->len) : 0;
        size_t left = b->len - at;
        switch (b->len ? rng_below(r, 8) : 7) {
        case 0: b->data[at] = (char)rng_next(r); break;
        case 1: b->data[at] ^= (char)(1 << rng_below(r, 8)); break;
        case 2: b->data[at] = (char)(rng_percent(r, 50) ? 0 : 255); break;
        case 3: cut(b, at, 1 + (size_t)rng_below(r, left < 16 ? (int)left : 16)); break;
        case 4: {
            char copy[16];
            size_t k = left < sizeof copy ? left : 1 + (size_t)rng_below(r, sizeof copy);
            memcpy(copy, b->data + at, k);
            insert(b, at, copy, k);
            break;
        }
        case 5:
            if (left >= 2)
                for (uint32_t v = edge_number(r), i = 0; i < 2; i++)
                    b->data[at + i] = (char)(v >> (8 - 8 * i));
            break;
        case 6:
            if (left >= 4)
                for (uint32_t v = edge_number(r), i = 0; i < 4; i++)
                    b->data[at + i] = (char)(v >> (24 - 8 * i));
            break;
        default: {
            uint64_t bits = rng_next(r);
            insert(b, at, &bits, 1 + (size_t)rng_below(r, 8));
        }
        }
    }
}

static void
swap_frames(Frames *f, int i, int j)
{
    Buf t = f->list[i];
    f->list[i] = f->list[j];
    f->list[j] = t;
}

void
frames_mutate(Rng *r, Frames *f)
{
    for (int n = rng_below(r, 4); n > 0 && f->count > 0; n--) {
        int at = rng_below(r, f->count);
        Buf *b = &f->list[at];
        switch (rng_below(r, 7)) {
        case 0: /* its bytes, with the length made right again so that the body is read */
            bytes_mutate(r, b);
            if (b->len >= 5)
                frame_end(b);
            break;
        case 1: bytes_mutate(r, b); break;
        case 2: /* twice */
            buf_bytes(frames_add(f), f->list[at].data, f->list[at].len);
            swap_frames(f, at, f->count - 1);
            break;
        case 3: swap_frames(f, at, rng_below(r, f->count)); break;
        case 4: b->len = (size_t)rng_below(r, (int)b->len + 1); break;
        case 5:
            if (b->len)
                b->data[0] = "QPBDECSHXFdcfp!\0"[rng_below(r, 16)];
            break;
        default: /* gone */
            buf_free(b);
            f->list[at] = f->list[--f->count];
        }
    }
}
