/*
 * Replication connections: the commands of the walsender protocol, streaming, base backups. This folder only.
 */
#ifndef CORE_SESSION_REPLICATION_H
#define CORE_SESSION_REPLICATION_H

#include "core/session/session_internal.h"

/* ---- repl_command.c: words of a command ---- */
typedef enum TokenKind { TOKEN_END, TOKEN_WORD, TOKEN_STRING, TOKEN_NUMBER, TOKEN_LSN, TOKEN_SIGN } TokenKind;
typedef struct Token {
    TokenKind kind;
    char *text;   /* word (in lower case), contents of the quotes, digits, or the one sign */
    bool quoted;  /* a word in double quotes */
    Lsn lsn;
} Token;
typedef struct Words { const char *p; Token now; } Words; /* `now`: the next one, not taken yet */
void words_next(Words *w);
bool words_accept(Words *w, const char *word);
bool words_sign(Words *w, char sign);
char *words_name(Words *w);    /* a name or string; raises 42601 */
uint32_t words_number(Words *w);
bool words_option_bool(Words *w); /* TRUE, FALSE, 'on', 0 ... or nothing: true */
void words_done(Words *w);     /* nothing but a semicolon may follow */
NORETURN void words_error(Words *w);

/* A small result: text columns. type: TEXT_OID and the like. */
typedef struct ReplColumn { const char *name; Oid type; int16_t bytes; } ReplColumn;
void repl_send_columns(const ReplColumn *c, int n);
void repl_send_row(const char *const *values, int n); /* NULL: null */

/* ---- walsender.c ---- */
void walsender_start(Words *w);

/* ---- base_backup.c ---- */
void base_backup(Words *w);

/* ---- backup_archive.c: a tar stream in CopyData messages ---- */
typedef struct BackupSink {
    uint64_t done_bytes;       /* in the stream: for progress */
    uint64_t last_progress_us, began_us;
    uint32_t max_rate_kb;      /* 0: as fast as it goes */
    struct Manifest *manifest; /* NULL: none wanted */
    Lsn start;                 /* pages with a later LSN are made whole by redo */
    bool verify;
    uint64_t damaged_pages;
} BackupSink;
void sink_begin_archive(BackupSink *s, const char *name);
void sink_end_archive(BackupSink *s);
void sink_send(BackupSink *s, const void *p, size_t n);
void sink_directory(BackupSink *s, const char *path);
void sink_text(BackupSink *s, const char *path, const char *text, bool in_manifest);
/* False: the file is gone, which is nothing unusual. */
bool sink_file(BackupSink *s, const char *path, bool in_manifest);

/* ---- backup_manifest.c ---- */
typedef struct Manifest Manifest;
Manifest *manifest_new(Arena *a, const char *algorithm /* NULL: CRC32C */, bool encode_all);
void manifest_file_begin(Manifest *m, const char *path);
void manifest_file_add(Manifest *m, const void *p, size_t n);
void manifest_file_end(Manifest *m, uint64_t bytes, int64_t modified_unix_s);
/* Adds the log's range and the checksum; returns the whole text. */
const StrBuf *manifest_finish(Manifest *m, uint32_t timeline, Lsn start, Lsn end);

#endif
