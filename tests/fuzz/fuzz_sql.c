/*
 * Sessions of SQL: statements of one corpus file in their order, so that there are tables to work on, and mutated
 * ones between them; by the simple protocol, by the extended one, and as prepared statements that are run again
 * after others have changed what they stand on. A session that rests must not hold much memory.
 */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATEMENTS_MAX 80
#define NAMES 6

long rss_limit_kb = 512 * 1024;
long peak_rss_kb;

typedef struct Session {
    Client client;
    Rng *r;
    int file;
    int prepared; /* statements p0 .. */
} Session;

/* Parse, Bind, Describe, Execute, Sync; without a text only Bind and on of a statement that is there. */
static Ending
extended(Session *s, const char *name, const char *sql)
{
    Frames f = {0};
    Buf all = {0};
    if (sql) {
        Buf *b = frame_begin(&f, 'P');
        buf_string(b, name);
        buf_string(b, sql);
        buf_int16(b, 0);
        frame_end(b);
    }
    Buf *b = frame_begin(&f, 'B');
    buf_string(b, "");
    buf_string(b, name);
    buf_int16(b, 0), buf_int16(b, 0), buf_int16(b, 1), buf_int16(b, rng_percent(s->r, 30));
    frame_end(b);
    b = frame_begin(&f, 'D');
    buf_byte(b, 'P');
    buf_string(b, "");
    frame_end(b);
    b = frame_begin(&f, 'E');
    buf_string(b, "");
    buf_int32(b, rng_percent(s->r, 80) ? 0 : 1);
    frame_end(b);
    b = frame_begin(&f, 'S');
    frame_end(b);
    for (int i = 0; i < f.count; i++)
        buf_bytes(&all, f.list[i].data, f.list[i].len);
    s->client.extended = true;
    Ending e = client_send(&s->client, &all, false, s->r, hang_s);
    s->client.extended = false;
    buf_free(&all);
    frames_free(&f);
    return e;
}

static Ending
run(Session *s, const char *sql)
{
    char name[8];
    if (rng_percent(s->r, 65))
        return client_query(&s->client, sql, s->r);
    snprintf(name, sizeof name, "p%d", rng_below(s->r, NAMES));
    return extended(s, rng_percent(s->r, 50) ? "" : name, sql);
}

static Ending
step(Session *s, int i)
{
    Rng *r = s->r;
    const char *original = corpus_statement(s->file, i);
    Ending e = END_READY;
    if (rng_percent(r, 70))
        e = run(s, original);
    if (e == END_READY && rng_percent(r, 80)) {
        int file = rng_percent(r, 90) ? s->file : rng_below(r, corpus_files());
        const char *from = rng_percent(r, 50) ? original : corpus_statement(file, rng_below(r, corpus_statements(file)));
        char *mutated = statement_mutate(r, s->file, from);
        e = run(s, mutated);
        if (e == END_READY && rng_percent(r, 15))
            e = run(s, mutated); /* from the statement cache, or not */
        free(mutated);
    }
    if (e == END_READY && rng_percent(r, 25)) {
        char name[8];
        snprintf(name, sizeof name, "p%d", rng_below(r, NAMES));
        e = extended(s, name, NULL);
    }
    if (e == END_READY && s->client.status == 'E' && rng_percent(r, 50))
        e = client_query(&s->client, "ROLLBACK", r);
    return e;
}

static const char *
at_rest(Session *s)
{
    static char text[128];
    if (client_query(&s->client, "ROLLBACK; DEALLOCATE ALL", s->r) != END_READY || s->client.backend_pid == 0)
        return NULL;
    long kb = process_anon_kb(s->client.backend_pid, "RssAnon");
    peak_rss_kb = kb > peak_rss_kb ? kb : peak_rss_kb;
    if (kb <= rss_limit_kb)
        return NULL;
    snprintf(text, sizeof text, "a session at rest holds %ld MB", kb / 1024);
    return text;
}

const char *
fuzz_sql(Rng *r)
{
    Session s = {.r = r, .file = rng_below(r, corpus_files())};
    if (!client_login(&s.client, "fuzz", "fuzz"))
        return "no session";
    client_query(&s.client, "DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public", r);
    int n = corpus_statements(s.file);
    int from = n > STATEMENTS_MAX && rng_percent(r, 50) ? rng_below(r, n - STATEMENTS_MAX) : 0;
    Ending e = END_READY;
    for (int i = from; i < n && i < from + STATEMENTS_MAX && e == END_READY; i++)
        e = step(&s, i);
    const char *wrong = e == END_READY ? at_rest(&s) : ending_name(e);
    if (e == END_CLOSED && !s.client.fatal)
        wrong = "the session ended without a word";
    client_close(&s.client);
    return wrong;
}
