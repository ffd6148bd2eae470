/*
 * Settings (PostgreSQL's GUCs): typed variables that modules register as data, the postgresql.conf
 * parser, and SET / RESET / SET LOCAL with transactional undo.
 *
 * A value's source decides who wins: default < file < command line < database < role < client <
 * session. A setting with context POSTMASTER changes only at start, SIGHUP on reload.
 */
#ifndef CORE_BASE_SETTINGS_H
#define CORE_BASE_SETTINGS_H

#include "core/base/err.h"
#include "core/base/str.h"

typedef enum SettingType { SETTING_BOOL, SETTING_INT, SETTING_REAL, SETTING_STRING, SETTING_ENUM } SettingType;
typedef enum SettingContext { /* pg_settings.context */
    CONTEXT_INTERNAL, CONTEXT_POSTMASTER, CONTEXT_SIGHUP, CONTEXT_SUPERUSER_BACKEND, CONTEXT_BACKEND,
    CONTEXT_SUPERUSER, CONTEXT_USER
} SettingContext;
typedef enum SettingSource {
    SOURCE_DEFAULT, SOURCE_ENV, SOURCE_FILE, SOURCE_ARGV, SOURCE_DATABASE, SOURCE_USER,
    SOURCE_DATABASE_USER, SOURCE_CLIENT, SOURCE_OVERRIDE, SOURCE_SESSION
} SettingSource;
typedef enum SettingUnit { UNIT_NONE, UNIT_BYTE, UNIT_KB, UNIT_BLOCKS /* 8 kB */, UNIT_WAL_BLOCKS, UNIT_MB, UNIT_MS, UNIT_S, UNIT_MIN } SettingUnit;
#define SETTING_REPORT 1      /* ParameterStatus when it changes */
#define SETTING_NO_SHOW_ALL 2
#define SETTING_HIDDEN_VALUE 4 /* only superusers and pg_read_all_settings see it */
#define SETTING_LIST_QUOTE 8  /* comma-separated identifiers */
#define SETTING_NO_RESET_ALL 16
#define SETTING_IS_NAME 32
#define SETTING_NOT_IN_PLANS 64 /* no statement's analysis or plan depends on it */

typedef struct SettingEnum { const char *name; int value; bool hidden; } SettingEnum;

typedef struct SettingDef {
    const char *name;
    SettingType type;
    SettingContext context;
    SettingUnit unit;
    int flags;
    const char *group;       /* pg_settings.category */
    const char *description; /* pg_settings.short_desc, our own words */
    void *variable;          /* bool*, int*, double*, char** (malloc'd, owned by settings) or int* for enums */
    const char *boot;        /* default as text, parsed like user input; NULL string allowed */
    double min, max;         /* int and real */
    const SettingEnum *options;
    /* Optional: validate and canonicalise. Returns false after settings_check_error(...). */
    bool (*check)(const struct SettingDef *def, const char **value_text, SettingSource source);
    void (*assign)(const struct SettingDef *def); /* after the variable has changed; must not raise */
    const char *(*show)(Arena *a);                 /* NULL: the generic form */
} SettingDef;

void settings_register(const SettingDef *defs, int count); /* before settings_boot */
void settings_boot(void);                                   /* gives every setting its default */
void settings_check_error(const char *detail_fmt, ...) PRINTF_LIKE(1, 2);
/* For a check that wants another message than: invalid value for parameter "x": "y". */
void settings_check_message(uint32_t sqlstate, const char *fmt, ...) PRINTF_LIKE(2, 3);
void settings_check_hint(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Raises 42704 (unrecognized configuration parameter), 22023 (invalid value), 55P02 (cannot be
 * changed now / requires restart), 42501. is_superuser: privileges of the session. */
typedef enum SettingAction { ACTION_SET, ACTION_LOCAL, ACTION_SAVE /* function SET clause */ } SettingAction;
void settings_set(const char *name, const char *value /* NULL: reset */, SettingContext context,
                  SettingSource source, SettingAction action);
/* As settings_set, but only checks (ALTER ROLE/DATABASE/FUNCTION SET, ALTER SYSTEM). */
void settings_check_value(const char *name, const char *value, SettingContext context, SettingSource source);
void settings_reset_all(void);
/* A process that serves one session after another: what changes between the two calls is taken back by the
 * second, outside any transaction; names a client made up are forgotten. Values that files gave meanwhile are lost: the caller
 * ends the process instead if the files were read again in between. */
void settings_session_begin(void);
void settings_session_end(void);
const char *settings_get(Arena *a, const char *name, bool missing_ok); /* as SHOW prints it */
const char *settings_get_reset(Arena *a, const char *name);

/* Transactions: SET is undone by rollback, SET LOCAL by either end. level: nesting depth >= 1. */
void settings_at_subxact_start(int level);
void settings_at_end(int level, bool commit);
int settings_level(void); /* the innermost open level, 0 outside */
/* Rises whenever a setting changes that is not SETTING_NOT_IN_PLANS: what was analysed or planned under another
 * value is not what the same text means now (a literal read under another TimeZone, a disabled index scan). */
extern uint64_t settings_plan_generation;

/*
 * Parse `path` (postgresql.conf syntax: name [=] value, quotes, comments, include, include_if_exists,
 * include_dir). On any error reports file and line and, on reload, applies nothing (returns false).
 * At start it raises FATAL.
 */
bool settings_load_files(const char *path, bool reload);
/* True in children of the postmaster: they reload silently, the postmaster logs what changed. */
extern bool settings_under_postmaster;
/* One assignment of a file in that syntax; the text as it would be applied. */
typedef struct SettingLine {
    const char *name, *value, *file;
    int line;
} SettingLine;
/* Reads without applying: a list of SettingLine; false after reporting at `level` what is wrong. */
bool settings_read_file(const char *path, Arena *a, List *out, ErrLevel level);
/* ALTER SYSTEM: rewrites <dir>/postgresql.auto.conf durably with name = value; value NULL removes
 * the name, name NULL removes all. The caller has checked the value. Raises on failure. */
void settings_alter_system(const char *dir, const char *name, const char *value);
/* A -c name=value or --name=value of the command line. */
void settings_set_argv(const char *name, const char *value);

const SettingDef *settings_find_def(const char *name); /* NULL: no such setting */
const char *settings_unit_text(SettingUnit unit);      /* pg_settings.unit; NULL none */
const char *settings_source_text(SettingSource source);
const char *settings_context_text(SettingContext context);

/* Iteration, for SHOW ALL and pg_settings: index 0..count-1 sorted by name. */
typedef struct SettingView {
    const SettingDef *def;
    /* in the base unit, as pg_settings has it; SHOW ALL uses settings_get */
    const char *value, *boot_value, *reset_value, *source_file;
    int source_line;
    SettingSource source;
    bool pending_restart;
} SettingView;
int settings_count(void);
void settings_view(int index, Arena *a, SettingView *out);
/* Names changed with SETTING_REPORT since the last call, one at a time (NULL when none left). */
const char *settings_next_report(void);
void settings_report_all(void); /* marks every SETTING_REPORT setting as changed */

/* Text to number, with PostgreSQL's units; false and *hint on bad input. */
bool settings_parse_int(const char *text, int *out, SettingUnit unit, const char **hint);
bool settings_parse_real(const char *text, double *out, SettingUnit unit, const char **hint);
bool settings_parse_bool(const char *text, bool *out);

#endif
