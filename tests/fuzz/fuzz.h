/*
 * The server fuzzer: hostile bytes and mutated SQL against a running server, from a seed.
 *
 * fuzz_main.c   iterations, what counts as a failure, the report
 * fuzz_bytes.c  random numbers, buffers, frames and their mutation
 * fuzz_client.c one connection: startup, frames in and out, deadlines
 * fuzz_text.c   the corpus in statements and tokens, and their mutation
 * fuzz_wire.c   iterations on the protocol: startup, frames, values, COPY
 * fuzz_sql.c    iterations on SQL: sessions of mutated statements
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COUNT_OF(a) ((int)(sizeof(a) / sizeof((a)[0])))

/* ---- fuzz_bytes.c ---- */

typedef struct Rng { uint64_t state; } Rng;
uint64_t rng_next(Rng *r);
int rng_below(Rng *r, int n);            /* 0 .. n - 1 */
bool rng_percent(Rng *r, int percent);

typedef struct Buf { char *data; size_t len, cap; } Buf;
void buf_bytes(Buf *b, const void *p, size_t n);
void buf_text(Buf *b, const char *z);    /* without its zero */
void buf_string(Buf *b, const char *z);  /* with it */
void buf_byte(Buf *b, int c);
void buf_int16(Buf *b, int v);
void buf_int32(Buf *b, uint32_t v);
void buf_free(Buf *b);

/* Messages side by side, so that they can be mutated one by one. */
typedef struct Frames { Buf *list; int count, cap; } Frames;
Buf *frames_add(Frames *f);              /* an empty one */
Buf *frame_begin(Frames *f, char type);  /* with a type and room for a length; no other frame may be open */
void frame_end(Buf *b);
void frames_free(Frames *f);
void bytes_mutate(Rng *r, Buf *b);
void frames_mutate(Rng *r, Frames *f);

/* ---- fuzz_client.c ---- */

typedef enum Ending { END_READY, END_CLOSED, END_HUNG, END_NONSENSE } Ending;

typedef struct Client {
    int fd;
    int backend_pid;   /* 0: not told */
    char status;       /* of the last ReadyForQuery */
    char sqlstate[6];  /* of the last error */
    bool fatal;        /* which ended the session */
    bool extended;     /* a COPY swallows the Sync that followed it: another one is owed after it */
    long rows;
    Buf in;
} Client;

/* What was sent last, for the report of a failure; all of a session's statements. */
extern Buf sent_log;

bool client_open(Client *c);             /* a bare connection; false: refused */
void client_close(Client *c);
bool client_login(Client *c, const char *user, const char *database); /* up to the first ReadyForQuery */
void startup_packet(Buf *b, const char *user, const char *database);
/* Sends and reads at once, so that neither side waits for the other. `close_after`: ends its side then. */
Ending client_send(Client *c, const Buf *b, bool close_after, Rng *r, int timeout_s);
Ending client_query(Client *c, const char *sql, Rng *r);
long process_anon_kb(int pid, const char *field); /* of /proc/PID/status; 0: gone */

/* ---- fuzz_text.c ---- */

bool corpus_load(const char *directory);
int corpus_files(void);
int corpus_statements(int file);
const char *corpus_statement(int file, int i);
/* A mutated statement, malloc'ed. `file`: where replacements mostly come from. */
char *statement_mutate(Rng *r, int file, const char *statement);

/* ---- iterations: what a failure is called, or NULL ---- */

const char *fuzz_startup(Rng *r);
const char *fuzz_frames(Rng *r);
const char *fuzz_values(Rng *r);
const char *fuzz_copy(Rng *r);
const char *fuzz_sql(Rng *r);

extern int hang_s;       /* an answer that takes longer is a hang */
extern long rss_limit_kb; /* of a session at rest */
extern long peak_rss_kb;
const char *ending_name(Ending e); /* NULL: as it should be */

#endif
