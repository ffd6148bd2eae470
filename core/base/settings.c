/*
 * Settings: the registry, who may change what when, and undo by transaction level.
 *
 * Each setting keeps its current and its reset value as accepted text with its source; the typed
 * variable is made from the text. A value from a weaker source than the current one's only becomes
 * the reset value. A change inside a transaction level first notes the prior value on the setting's
 * undo list (one entry per level and setting); settings_at_end walks only settings that have such a
 * list. SET then SET LOCAL in one level keep both values, since commit restores the SET one.
 *
 * Names are found by binary search in the sorted array: lookups happen at SET and SHOW, not in hot
 * paths, which read the variables.
 */
#include "core/base/settings.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/log.h"
#include "core/base/settings_internal.h"

Setting **settings_all;
int settings_all_count;
bool settings_booted;
uint64_t settings_plan_generation;
bool settings_under_postmaster;

static int all_cap;
static bool in_session;    /* between settings_session_begin and settings_session_end */
static Setting *base_head; /* settings that the session has changed */
static Setting *undo_head; /* settings with an undo list */
static int current_level;  /* transaction nesting, 0 outside */
static bool any_report;

/* Position of name, or where it would be inserted. */
static int
search(const char *name, bool *found)
{
    int lo = 0, hi = settings_all_count;
    while (lo < hi) {
        int mid = (lo + hi) / 2;
        int c = str_casecmp_ascii(settings_all[mid]->def->name, name);
        if (c == 0) {
            *found = true;
            return mid;
        }
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    *found = false;
    return lo;
}

/* PostgreSQL still takes these. */
static const char *
modern_name(const char *name)
{
    if (str_casecmp_ascii(name, "sort_mem") == 0)
        return "work_mem";
    if (str_casecmp_ascii(name, "vacuum_mem") == 0)
        return "maintenance_work_mem";
    return name;
}

Setting *
setting_find(const char *name)
{
    bool found;
    int at = search(modern_name(name), &found);
    return found ? settings_all[at] : NULL;
}

static void *
alloc_or_raise(size_t bytes)
{
    void *p = calloc(1, bytes);
    if (p == NULL)
        RAISE(SQLSTATE_OUT_OF_MEMORY, "out of memory");
    return p;
}

static Setting *
insert(const SettingDef *def)
{
    bool found;
    int at = search(def->name, &found);
    if (found)
        return settings_all[at];
    if (settings_all_count == all_cap) {
        int cap = all_cap ? all_cap * 2 : 256;
        Setting **p = realloc(settings_all, sizeof(*p) * (size_t)cap);
        if (p == NULL)
            RAISE(SQLSTATE_OUT_OF_MEMORY, "out of memory");
        settings_all = p;
        all_cap = cap;
    }
    Setting *s = alloc_or_raise(sizeof(*s));
    s->def = def;
    memmove(settings_all + at + 1, settings_all + at,
            sizeof(*settings_all) * (size_t)(settings_all_count - at));
    settings_all[at] = s;
    settings_all_count++;
    return s;
}

/* --- placeholders: custom.names --------------------------------------------------------------- */

/* Two or more identifiers joined by dots. */
static bool
custom_name_valid(const char *name)
{
    bool start = true, dot = false;
    for (const char *p = name; *p; p++) {
        unsigned char c = (unsigned char)*p;
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
        if (c == '.') {
            if (start)
                return false;
            start = dot = true;
        } else if (letter) {
            start = false;
        } else if (start || !((c >= '0' && c <= '9') || c == '$')) {
            return false;
        }
    }
    return dot && !start;
}

static Setting *
add_placeholder(const char *name)
{
    SettingDef *def = alloc_or_raise(sizeof(*def) + sizeof(char *));
    def->name = setting_strdup(name);
    def->type = SETTING_STRING;
    def->context = CONTEXT_USER;
    def->flags = SETTING_NO_SHOW_ALL;
    def->group = "Customized Options";
    def->description = "A name that no module has defined.";
    def->variable = def + 1;
    def->boot = "";
    Setting *s = insert(def);
    s->placeholder = true;
    s->made_in_session = in_session;
    s->boot = setting_strdup("");
    s->now.text = setting_strdup("");
    s->reset.text = setting_strdup("");
    setting_store(def, s->now.text);
    return s;
}

Setting *
setting_find_or_raise(const char *name)
{
    Setting *s = setting_find(name);
    if (s)
        return s;
    if (strchr(name, '.') == NULL)
        RAISE(SQLSTATE_UNDEFINED_OBJECT, "unrecognized configuration parameter \"%s\"", name);
    if (!custom_name_valid(name))
        RAISE_ERR(SQLSTATE_INVALID_NAME, err_message("invalid configuration parameter name \"%s\"", name),
                  err_detail("Custom parameter names must be two or more simple identifiers separated "
                             "by dots."));
    return add_placeholder(name);
}

/* --- registration ------------------------------------------------------------------------------ */

static void
boot_one(Setting *s)
{
    SettingError e;
    char *text;
    if (!setting_accept(s->def, s->def->boot, SOURCE_DEFAULT, &text, &e))
        RAISE_FATAL(SQLSTATE_INTERNAL_ERROR, "failed to initialize \"%s\": %s", s->def->name, e.message);
    s->now = (SettingValue){text, SOURCE_DEFAULT};
    s->reset = (SettingValue){text ? setting_strdup(text) : NULL, SOURCE_DEFAULT};
    s->boot = text ? setting_strdup(text) : NULL;
    setting_store(s->def, text);
    if (s->def->assign)
        s->def->assign(s->def);
}

/* A module defines a name that was set before as a placeholder: its value is tried on the definition. */
static void
replace_placeholder(Setting *s, const SettingDef *def)
{
    SettingValue old = s->now;
    free(s->reset.text);
    free(s->boot);
    free((char *)s->def->name);
    free((SettingDef *)s->def);
    s->def = def;
    s->placeholder = false;
    boot_one(s);
    SettingError e;
    if (old.source != SOURCE_DEFAULT &&
        setting_apply(s, old.text, CONTEXT_POSTMASTER, old.source, ACTION_SET, true, &e) == SET_FAILED)
        REPORT(LEVEL_WARNING, e.sqlstate, err_message("%s", e.message));
    free(old.text);
}

void
settings_register(const SettingDef *defs, int count)
{
    for (int i = 0; i < count; i++) {
        Setting *s = insert(&defs[i]);
        if (s->def == &defs[i]) {
            if (settings_booted && s->now.text == NULL && s->boot == NULL)
                boot_one(s);
        } else if (s->placeholder) {
            replace_placeholder(s, &defs[i]);
        } else {
            RAISE_FATAL(SQLSTATE_INTERNAL_ERROR, "setting \"%s\" is registered twice", defs[i].name);
        }
    }
}

void
settings_boot(void)
{
    if (settings_booted)
        return;
    base_settings_register();
    for (int i = 0; i < settings_all_count; i++)
        boot_one(settings_all[i]);
    settings_booted = true;
}

/* --- changing a value --------------------------------------------------------------------------- */

static void
mark_report(Setting *s)
{
    if (s->def->flags & SETTING_REPORT)
        s->report_dirty = any_report = true;
}

static char *
copy_text(const char *text)
{
    return text ? setting_strdup(text) : NULL;
}

static bool
same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* Before the first change of a session. */
static void
keep_base(Setting *s)
{
    if (!in_session || s->based)
        return;
    s->base_now = (SettingValue){copy_text(s->now.text), s->now.source};
    s->base_reset = (SettingValue){copy_text(s->reset.text), s->reset.source};
    s->based = true;
    s->base_next = base_head;
    base_head = s;
}

/* The value becomes `text` (owned from here on). */
static void
make_current(Setting *s, char *text, SettingSource source)
{
    keep_base(s);
    char *old = s->now.text;
    bool changed = !same_text(old, text);
    setting_store(s->def, text);
    s->now = (SettingValue){text, source};
    if (s->def->assign)
        s->def->assign(s->def);
    free(old);
    if (changed) {
        mark_report(s);
        if (!(s->def->flags & SETTING_NOT_IN_PLANS) && !s->placeholder)
            settings_plan_generation++;
    }
}

static void
push_undo(Setting *s, SettingAction action)
{
    if (current_level == 0)
        return;
    SettingUndo *u = s->undo;
    if (u && u->level >= current_level) {
        if (action == ACTION_SET) {
            if (u->state == STACK_SET_LOCAL) {
                free(u->masked.text);
                u->masked.text = NULL;
            }
            u->state = STACK_SET;
        } else if (action == ACTION_LOCAL && u->state == STACK_SET) {
            u->masked = (SettingValue){copy_text(s->now.text), s->now.source};
            u->state = STACK_SET_LOCAL;
        }
        return;
    }
    u = alloc_or_raise(sizeof(*u));
    u->prior = (SettingValue){copy_text(s->now.text), s->now.source};
    u->level = current_level;
    u->state = action == ACTION_SET ? STACK_SET : action == ACTION_LOCAL ? STACK_LOCAL : STACK_SAVE;
    u->prev = s->undo;
    if (s->undo == NULL) {
        s->undo_next = undo_head;
        undo_head = s;
    }
    s->undo = u;
}

static SetResult
deny(SettingError *e, uint32_t sqlstate, const char *fmt, const char *name)
{
    memset(e, 0, sizeof(*e));
    e->sqlstate = sqlstate;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(e->message, sizeof(e->message), fmt, name);
#pragma GCC diagnostic pop
    return SET_FAILED;
}

/* May `context` change the setting? SET_IGNORED: silently not, SET_NEEDS_RESTART: only if it differs. */
static SetResult
check_context(const SettingDef *d, SettingContext context, SettingSource source, SettingError *e)
{
    switch (d->context) {
    case CONTEXT_INTERNAL:
        if (context != CONTEXT_INTERNAL)
            return deny(e, SQLSTATE_CANT_CHANGE_RUNTIME_PARAM, "parameter \"%s\" cannot be changed",
                        d->name);
        break;
    case CONTEXT_POSTMASTER:
        if (context == CONTEXT_SIGHUP)
            return SET_NEEDS_RESTART;
        if (context != CONTEXT_POSTMASTER && context != CONTEXT_INTERNAL)
            return deny(e, SQLSTATE_CANT_CHANGE_RUNTIME_PARAM,
                        "parameter \"%s\" cannot be changed without restarting the server", d->name);
        break;
    case CONTEXT_SIGHUP:
        if (context != CONTEXT_SIGHUP && context != CONTEXT_POSTMASTER && context != CONTEXT_INTERNAL)
            return deny(e, SQLSTATE_CANT_CHANGE_RUNTIME_PARAM, "parameter \"%s\" cannot be changed now",
                        d->name);
        break;
    case CONTEXT_SUPERUSER_BACKEND:
        if (context == CONTEXT_BACKEND)
            return deny(e, SQLSTATE_INSUFFICIENT_PRIVILEGE, "permission denied to set parameter \"%s\"",
                        d->name);
        __attribute__((fallthrough));
    case CONTEXT_BACKEND:
        if (context == CONTEXT_SIGHUP) {
            if (settings_under_postmaster)
                return SET_IGNORED; /* for sessions that start later */
        } else if (context != CONTEXT_POSTMASTER && context != CONTEXT_BACKEND &&
                   context != CONTEXT_SUPERUSER_BACKEND && context != CONTEXT_INTERNAL &&
                   source != SOURCE_CLIENT) {
            return deny(e, SQLSTATE_CANT_CHANGE_RUNTIME_PARAM,
                        "parameter \"%s\" cannot be set after connection start", d->name);
        }
        break;
    case CONTEXT_SUPERUSER:
        if (context == CONTEXT_USER || context == CONTEXT_BACKEND)
            return deny(e, SQLSTATE_INSUFFICIENT_PRIVILEGE, "permission denied to set parameter \"%s\"",
                        d->name);
        break;
    case CONTEXT_USER:
        break;
    }
    return SET_DONE;
}

/* A stronger default replaces the reset value, and what open levels would restore to it. */
static void
make_default(Setting *s, const char *text, SettingSource source)
{
    keep_base(s);
    if (s->reset.source <= source) {
        free(s->reset.text);
        s->reset = (SettingValue){copy_text(text), source};
    }
    for (SettingUndo *u = s->undo; u; u = u->prev)
        if (u->prior.source <= source) {
            free(u->prior.text);
            u->prior = (SettingValue){copy_text(text), source};
        }
}

SetResult
setting_apply(Setting *s, const char *value, SettingContext context, SettingSource source,
              SettingAction action, bool change, SettingError *error)
{
    const SettingDef *d = s->def;
    SetResult allowed = check_context(d, context, source, error);
    if (allowed == SET_FAILED || allowed == SET_IGNORED)
        return allowed;

    char *text;
    SettingSource new_source = source;
    bool is_default = change && source <= SOURCE_OVERRIDE && (value != NULL || source == SOURCE_DEFAULT);
    if (value) {
        if (!setting_accept(d, value, source, &text, error))
            return SET_FAILED;
    } else if (source == SOURCE_DEFAULT) {
        if (!setting_accept(d, d->boot, source, &text, error))
            return SET_FAILED;
    } else {
        text = copy_text(s->reset.text);
        new_source = s->reset.source;
    }
    if (allowed == SET_NEEDS_RESTART) {
        s->pending_restart = !same_text(text, s->now.text);
        free(text);
        if (!s->pending_restart)
            return SET_IGNORED;
        deny(error, SQLSTATE_CANT_CHANGE_RUNTIME_PARAM,
             "parameter \"%s\" cannot be changed without restarting the server", d->name);
        return SET_NEEDS_RESTART;
    }
    if (!change || (source < s->now.source && !is_default)) {
        free(text);
        return SET_IGNORED;
    }
    bool wins = source >= s->now.source;
    if (is_default)
        make_default(s, text, source);
    if (!wins) {
        free(text);
        return SET_IGNORED;
    }
    if (!is_default)
        push_undo(s, action);
    make_current(s, text, new_source);
    return SET_DONE;
}

static NORETURN void
raise_setting_error(const SettingError *e)
{
    err_start(LEVEL_ERROR, e->sqlstate, __FILE__, __LINE__, __func__);
    err_message("%s", e->message);
    if (e->detail[0])
        err_detail("%s", e->detail);
    if (e->hint[0])
        err_hint("%s", e->hint);
    err_throw();
}

void
settings_set(const char *name, const char *value, SettingContext context, SettingSource source,
             SettingAction action)
{
    SettingError e;
    Setting *s = setting_find_or_raise(name);
    SetResult r = setting_apply(s, value, context, source, action, true, &e);
    if (r != SET_FAILED && r != SET_NEEDS_RESTART)
        return;
    raise_setting_error(&e);
}

void
settings_check_value(const char *name, const char *value, SettingContext context, SettingSource source)
{
    SettingError e;
    Setting *s = setting_find_or_raise(name);
    if (setting_apply(s, value, context, source, ACTION_SET, false, &e) != SET_FAILED)
        return;
    raise_setting_error(&e);
}

void
settings_set_argv(const char *name, const char *value)
{
    char fixed[256];
    size_t n = 0;
    for (; name[n] && n < sizeof(fixed) - 1; n++)
        fixed[n] = name[n] == '-' ? '_' : name[n]; /* --log-line-prefix is as good */
    fixed[n] = '\0';
    settings_set(fixed, value, CONTEXT_POSTMASTER, SOURCE_ARGV, ACTION_SET);
}

void
settings_reset_all(void)
{
    for (int i = 0; i < settings_all_count; i++) {
        Setting *s = settings_all[i];
        const SettingDef *d = s->def;
        if (d->context != CONTEXT_USER && d->context != CONTEXT_SUPERUSER)
            continue;
        if ((d->flags & SETTING_NO_RESET_ALL) || s->now.source <= SOURCE_OVERRIDE)
            continue;
        push_undo(s, ACTION_SET);
        make_current(s, copy_text(s->reset.text), s->reset.source);
    }
}

/* --- transaction levels -------------------------------------------------------------------------- */

/* --- sessions one after another ------------------------------------------------------------------- */

void
settings_session_begin(void)
{
    ASSERT(base_head == NULL);
    in_session = true;
}

static void
back_to_base(Setting *s)
{
    make_current(s, s->base_now.text, s->base_now.source);
    free(s->reset.text);
    s->reset = s->base_reset;
    s->based = false;
}

static void
forget_made_in_session(void)
{
    int kept = 0;
    for (int i = 0; i < settings_all_count; i++) {
        Setting *s = settings_all[i];
        if (s->placeholder && s->made_in_session) {
            free(s->now.text);
            free(s->reset.text);
            free(s->boot);
            free((char *)s->def->name);
            free((SettingDef *)s->def);
            free(s);
        } else
            settings_all[kept++] = s;
    }
    settings_all_count = kept;
}

void
settings_session_end(void)
{
    ASSERT(current_level == 0 && undo_head == NULL);
    for (Setting *s = base_head, *next; s; s = next) {
        next = s->base_next;
        back_to_base(s);
    }
    base_head = NULL;
    in_session = false;
    forget_made_in_session();
}

void
settings_at_subxact_start(int level)
{
    current_level = level;
}

static void
drop_value(SettingValue *v)
{
    free(v->text);
    v->text = NULL;
}

static void
restore(Setting *s, SettingValue *v)
{
    make_current(s, v->text, v->source);
    v->text = NULL;
}

/* Ends the newest undo entry, of a level that ends. True when it was merged downward or dropped. */
static void
end_entry(Setting *s, SettingUndo *u, bool commit)
{
    SettingUndo *below = u->prev;
    if (!commit || u->state == STACK_SAVE) {
        restore(s, &u->prior);
    } else if (u->level == 1) {
        if (u->state == STACK_SET_LOCAL)
            restore(s, &u->masked);
        else if (u->state == STACK_LOCAL)
            restore(s, &u->prior);
    } else if (below == NULL || below->level < u->level - 1) {
        u->level--; /* the outer level has no entry: this one serves */
        return;
    } else if (u->state == STACK_LOCAL) {
        if (below->state == STACK_SET) {
            below->masked = u->prior; /* what the outer SET gave */
            u->prior.text = NULL;
            below->state = STACK_SET_LOCAL;
        }
    } else {
        if (below->state == STACK_SET_LOCAL)
            drop_value(&below->masked);
        if (u->state == STACK_SET_LOCAL) {
            below->masked = u->masked;
            u->masked.text = NULL;
        }
        below->state = u->state == STACK_SET_LOCAL ? STACK_SET_LOCAL : STACK_SET;
    }
    s->undo = below;
    drop_value(&u->prior);
    drop_value(&u->masked);
    free(u);
}

void
settings_at_end(int level, bool commit)
{
    Setting **link = &undo_head;
    while (*link) {
        Setting *s = *link;
        /* A restore frees the setting from the list only below, so the walk is safe. */
        while (s->undo && s->undo->level >= level)
            end_entry(s, s->undo, commit);
        if (s->undo == NULL)
            *link = s->undo_next;
        else
            link = &s->undo_next;
    }
    current_level = level - 1;
}

int
settings_level(void)
{
    return current_level;
}

/* --- ParameterStatus ------------------------------------------------------------------------------ */

const char *
settings_next_report(void)
{
    if (!any_report)
        return NULL;
    for (int i = 0; i < settings_all_count; i++)
        if (settings_all[i]->report_dirty) {
            settings_all[i]->report_dirty = false;
            return settings_all[i]->def->name;
        }
    any_report = false;
    return NULL;
}

void
settings_report_all(void)
{
    for (int i = 0; i < settings_all_count; i++)
        mark_report(settings_all[i]);
}
