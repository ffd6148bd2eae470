/*
 * Session, shared by the files of this folder only.
 */
#ifndef CORE_SESSION_SESSION_INTERNAL_H
#define CORE_SESSION_SESSION_INTERNAL_H

#include "core/base/clock.h"
#include "core/base/hash.h"
#include "core/base/interrupt.h"
#include "core/base/log.h"
#include "core/base/settings.h"
#include "core/base/stack.h"
#include "core/catalog/session_views.h"
#include "core/session/session.h"

/* ---- transaction blocks (xact_block.c) ---- */
void xact_start_command(void);        /* begins a transaction if there is none */
void xact_finish_command(void);       /* commits unless in a block */
void xact_abort_command(void);        /* after an error */
void xact_begin_implicit_block(void); /* several statements in one message */
void xact_end_implicit_block(void);
void xact_statement(CommandContext *c, const PgQuery__TransactionStmt *s);
bool xact_is_aborted(void);
bool xact_in_block(void);             /* explicit or implicit block, or a subtransaction */
bool xact_in_explicit_block(void);
char xact_ready_status(void);         /* I, T, E */
void xact_require_no_block(CommandContext *c, const char *what);
void xact_require_block(CommandContext *c, const char *what);
void xact_check_not_aborted(const PgQuery__Node *stmt);
void xact_reset(void);
void xact_finish_execute(void);        /* after an Execute message: the transaction goes on until Sync */

/* ---- cached statements: text to plans, kept with their run-time state ---- */
typedef struct CachedPlan {
    struct CachedPlan *prev, *next; /* list of all, for invalidation */
    Arena *arena;             /* owns text, raw tree, analysis; plan_arena below it */
    Arena *plan_arena;
    const char *text;         /* the statement's own text source */
    RawStmt *raw;
    const char *tag;
    ParamTypes params;
    int fixed_params;         /* given by the client */
    List *plans;              /* PlannedStmt; NULL: not planned */
    bool valid;
    char *search_path;        /* when planned */
    Oid role;
    uint64_t settings_generation; /* settings_plan_generation when planned */
    RowDesc *desc;            /* result columns, NULL: none */
    bool desc_known;
    bool desc_may_change;     /* of the statement cache: nobody was promised these columns */
    Exec *idle_exec;          /* run-time state ready for the next run */
    int in_use;
    bool is_transaction_stmt, is_utility, is_read_only;
    uint64_t uses;
} CachedPlan;
/* raw: arena-owned by the plan (parse into its arena first). */
CachedPlan *cached_plan_new(const char *name);
void cached_plan_init(CachedPlan *p, const char *text, RawStmt *raw, const Oid *types, int ntypes, bool variable);
bool cached_plan_is_current(const CachedPlan *p); /* the same text now would be planned alike; accept invalidations first */
void cached_plan_ready(CachedPlan *p);  /* (re)analyses and plans if needed; raises 0A000 cached plan must not change result type */
const RowDesc *cached_plan_desc(CachedPlan *p);
void cached_plan_release(CachedPlan *p); /* drops one reference; frees when none is left */
void cached_plans_invalidate_all(void);
void cached_plans_register(void);

/* ---- prepared statements ---- */
typedef struct Prepared { struct Prepared *next; char name[NAME_BYTES * 2]; CachedPlan *plan; bool from_sql; TimestampTz time; } Prepared;
Prepared *prepared_find(const char *name, bool missing_ok);
void prepared_store(const char *name, CachedPlan *p, bool from_sql);
void prepared_drop(const char *name);
void prepared_drop_all(void);
CachedPlan *prepared_unnamed(void);
void prepared_set_unnamed(CachedPlan *p);
void prepared_statement(CommandContext *c, const PgQuery__PrepareStmt *s);
void prepared_execute(CommandContext *c, const PgQuery__ExecuteStmt *s);
RowDesc *prepared_execute_desc(Arena *a, const PgQuery__ExecuteStmt *s);
int prepared_list_views(Arena *a, PreparedView **out);
int portal_list_views(Arena *a, CursorView **out);
void prepared_deallocate(CommandContext *c, const PgQuery__DeallocateStmt *s);
PlannedStmt *prepared_explain(CommandContext *c, const PgQuery__ExecuteStmt *s, ParamValues **params);

/* ---- portals ---- */
typedef enum PortalState { PORTAL_NEW, PORTAL_READY, PORTAL_ACTIVE, PORTAL_DONE, PORTAL_FAILED } PortalState;
typedef struct Portal {
    struct Portal *next;
    char name[NAME_BYTES * 2];
    Arena *arena;
    CachedPlan *plan;
    ParamValues *params;
    int16_t *formats; int nformats;
    PortalState state;
    Exec *exec;
    Snapshot *snapshot;
    ResOwner *owner;
    RowSender *sender;
    char tag[64];
    const char *text;
    bool is_cursor, holdable, scrollable, binary, no_scroll;
    int nesting;              /* subtransaction that made it */
    int sub_id;
    /* rows already fetched by a scrollable, held or utility portal */
    Arena *row_arena;
    List *rows;               /* StoredRow: rows first_row + 1 .. first_row + rows->count */
    int64_t first_row;        /* rows let go before those: NO SCROLL */
    int64_t position;         /* before first: 0; on row k: k; after the last: count + 1 */
    bool all_fetched;
    int tid_column;           /* 1 + the hidden column with a row's ctid, 0: none (WHERE CURRENT OF) */
    RowDesc *desc;
    TimestampTz time;
} Portal;
Portal *portal_create(const char *name, bool replace);
Portal *portal_find(const char *name);
void portal_drop(Portal *p);
void portal_bind(Portal *p, CachedPlan *plan, ParamValues *params, const int16_t *formats, int nformats);
/* Runs up to max_rows (0: all) to the client; true: at the end, p->tag is complete. */
bool portal_run(Portal *p, uint64_t max_rows, Dest *dest, bool top_level);
void portals_at_abort(int nesting);
void portals_at_commit(int nesting);
void portals_after_error(void);
void portal_declare(CommandContext *c, const PgQuery__DeclareCursorStmt *s);
void portal_fetch(CommandContext *c, const PgQuery__FetchStmt *s);
RowDesc *portal_fetch_desc(Arena *a, const PgQuery__FetchStmt *s);
void portal_close(CommandContext *c, const PgQuery__ClosePortalStmt *s);
void portals_drop_all(void);
bool portal_cursor_position(const char *cursor, Oid table, ItemPtr *tid);
bool portal_uses_relation(Oid rel);
Dest *dest_wire(Arena *a, const RowDesc *desc, const int16_t *formats, int nformats, bool send_description);
void plan_completion_tag(const PlannedStmt *p, uint64_t rows, char *out, size_t n);

/* ---- messages ---- */
void simple_query(const char *text);
void extended_parse(void);
void extended_bind(void);
void extended_describe(void);
void extended_execute(void);
void extended_close(void);
/* ---- the statement cache ---- */
CachedPlan *statement_cache_find(const char *text, ParamValues **params, Arena *a);
void statement_cache_store(const char *text, CachedPlan *p);
/* The same for Parse of the unnamed statement: by text and the types the client gave. */
CachedPlan *parse_cache_find(const char *text, const Oid *types, int ntypes);
void parse_cache_store(const char *text, const Oid *types, int ntypes, CachedPlan *p);
void statement_cache_clear(void);
void statement_cache_trim(uint64_t keep); /* the entries used last stay */

/* A text with its literals lifted out as parameters (stmt_lift.c). */
#define LIFT_MAX 16
typedef struct Literal { const char *start; size_t len; bool string; } Literal;
typedef struct Lifted { StrBuf text; Literal lits[LIFT_MAX]; int n; char *key; } Lifted; /* key: text and literal types */
bool stmt_lift(const char *text, Lifted *out, Arena *a);
CachedPlan *stmt_lift_plan(const Lifted *l); /* NULL if it is not the same statement after all */
ParamValues *stmt_lift_params(const CachedPlan *p, const Lifted *l, Arena *a); /* raises on a bad literal */

/* ---- repl_command.c: replication connections ---- */
enum { REPLICATION_NONE, REPLICATION_PHYSICAL, REPLICATION_DATABASE };
extern int session_replication;
extern int wal_sender_timeout_ms;
void replication_begin(const WireStartup *w);     /* may this user? FATAL */
bool replication_command(const char *text);       /* false: it is SQL, and this connection may run SQL */
/* ---- what a client leaves in the process (reuse.c) ---- */
void session_begin_reusable(void);      /* nothing speaks against it yet */
void session_not_reusable(void);        /* something happened that another client should not inherit */
void session_note_error(const ErrReport *r);
void session_drop_temporary(void);      /* outside a transaction; errors are logged */
bool session_forget_client(void);       /* true: the process is as after its fork */

/* ---- session.c ---- */
extern Arena *message_arena;          /* reset for each message */
extern const char *session_query_text;/* what runs, for the log and the client's position; NULL between messages */
extern bool session_skip_till_sync;
/* `text` must live until the next message: plan and portal may be gone by when an error is reported. */
void session_set_query(const char *text);
/* ---- session_stats.c ---- */
void session_stats_begin(void);       /* the session stands */
void session_stats_client_lost(void); /* how it ends, unless normally */
void session_stats_killed(void);
void session_stats_end(void);
void session_stats_at_exit(void);
void session_show_active(const char *text, TimestampTz now);
void session_show_idle(char status);  /* 'I', 'T', 'E'; moves what is pending if it is time */
void session_timeouts_start(void);    /* statement_timeout */
void session_timeouts_stop(void);
void session_timers_reset(void);
void session_idle_begin(char status); /* idle_session_timeout, idle_in_transaction_session_timeout */
void session_idle_end(void);
void extended_function_call(void);
extern CopyStream wire_copy_stream;
void notify_listen(const char *channel, bool on);
extern const NotifyHooks notify_hooks;
void notify_send(const char *channel, const char *payload);
void notify_deliver(void);
void notify_at_event(TxnEvent e, int nesting);
void notify_end(void);
void notify_shm_register(void);
void session_discard(CommandContext *c, const PgQuery__DiscardStmt *s);

#endif
