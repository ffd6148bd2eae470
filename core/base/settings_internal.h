/* What settings.c, settings_value.c, settings_file.c and settings_view.c share. */
#ifndef CORE_BASE_SETTINGS_INTERNAL_H
#define CORE_BASE_SETTINGS_INTERNAL_H

#include "core/base/settings.h"

/* One value with where it came from. text is malloc'd; NULL only for strings without a default. */
typedef struct SettingValue {
    char *text;
    SettingSource source;
} SettingValue;

typedef enum StackState { STACK_SAVE, STACK_SET, STACK_LOCAL, STACK_SET_LOCAL } StackState;

/* What an open transaction level must be able to restore. */
typedef struct SettingUndo {
    struct SettingUndo *prev; /* of an outer level */
    int level;
    StackState state;
    SettingValue prior;  /* before the level changed it */
    SettingValue masked; /* STACK_SET_LOCAL: what SET gave, under what SET LOCAL gave */
} SettingUndo;

typedef struct Setting {
    const SettingDef *def;
    SettingValue now, reset;
    char *boot; /* the default as the check accepted it */
    SettingUndo *undo;
    struct Setting *undo_next; /* settings with an undo entry */
    char *source_file;
    int source_line;
    bool pending_restart, report_dirty, in_file;
    bool placeholder; /* a custom a.b name without a definition: its def is ours to free */
    /* what it was before the session first changed it; valid while `based` */
    bool based, made_in_session;
    SettingValue base_now, base_reset;
    struct Setting *base_next;
} Setting;

extern Setting **settings_all; /* sorted by name, ASCII case ignored */
extern int settings_all_count;
extern bool settings_booted;

Setting *setting_find(const char *name);
/* Finds, or makes a placeholder for a two-part name; raises 42704 or 42602. */
Setting *setting_find_or_raise(const char *name);

/*
 * Parses text for the setting and runs its check. On success *out is the malloc'd text to keep.
 * On failure *error is filled in.
 */
typedef struct SettingError {
    uint32_t sqlstate;
    char message[512], detail[512], hint[512];
} SettingError;
bool setting_accept(const SettingDef *def, const char *text, SettingSource source, char **out,
                    SettingError *error);
/* Puts accepted text into the variable; cannot fail. */
void setting_store(const SettingDef *def, char *text);
/* The current value as text, by the show function if there is one; with_units as SHOW has it. */
const char *setting_value_text(const SettingDef *def, const char *accepted, Arena *a, bool with_units);
/* A value that need not be the current one, in the base unit. */
const char *setting_plain_text(const SettingDef *def, const char *accepted, Arena *a);
const char *setting_unit_name(SettingUnit unit);
char *setting_strdup(const char *s); /* raises 53200 */

typedef enum SetResult { SET_DONE, SET_IGNORED, SET_FAILED, SET_NEEDS_RESTART } SetResult;
/* As settings_set, but reports instead of raising. */
SetResult setting_apply(Setting *s, const char *value, SettingContext context, SettingSource source,
                        SettingAction action, bool change, SettingError *error);

#endif
