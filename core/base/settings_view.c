/* Reading settings as text: SHOW, SHOW ALL, pg_settings, and the members of an enumeration. */
#include "core/base/settings.h"

#include "core/base/settings_internal.h"

const char *
settings_get(Arena *a, const char *name, bool missing_ok)
{
    Setting *s = setting_find(name);
    if (s == NULL) {
        if (missing_ok)
            return NULL;
        RAISE(SQLSTATE_UNDEFINED_OBJECT, "unrecognized configuration parameter \"%s\"", name);
    }
    return arena_strdup(a, setting_value_text(s->def, s->now.text, a, true));
}

const char *
settings_get_reset(Arena *a, const char *name)
{
    Setting *s = setting_find(name);
    if (s == NULL)
        RAISE(SQLSTATE_UNDEFINED_OBJECT, "unrecognized configuration parameter \"%s\"", name);
    return arena_strdup(a, setting_plain_text(s->def, s->reset.text, a));
}

int
settings_count(void)
{
    return settings_all_count;
}

const SettingDef *
settings_find_def(const char *name)
{
    Setting *s = setting_find(name);
    return s ? s->def : NULL;
}

void
settings_view(int index, Arena *a, SettingView *out)
{
    ASSERT(index >= 0 && index < settings_all_count);
    const Setting *s = settings_all[index];
    out->def = s->def;
    out->value = arena_strdup(a, setting_value_text(s->def, s->now.text, a, false));
    out->boot_value = s->boot ? arena_strdup(a, setting_plain_text(s->def, s->boot, a)) : NULL;
    out->reset_value = s->reset.text ? arena_strdup(a, setting_plain_text(s->def, s->reset.text, a)) : NULL;
    out->source_file = s->now.source == SOURCE_FILE && s->source_file ? arena_strdup(a, s->source_file) : NULL;
    out->source_line = out->source_file ? s->source_line : 0;
    out->source = s->now.source;
    out->pending_restart = s->pending_restart;
}

const char *
settings_unit_text(SettingUnit unit)
{
    return setting_unit_name(unit);
}

const char *
settings_source_text(SettingSource source)
{
    static const char *const names[] = {"default",  "environment variable", "configuration file",
                                        "command line", "database",         "user",
                                        "database user", "client",          "override",
                                        "session"};
    return names[source];
}

const char *
settings_context_text(SettingContext context)
{
    static const char *const names[] = {"internal", "postmaster", "sighup", "superuser-backend",
                                        "backend",  "superuser",  "user"};
    return names[context];
}
