/*
 * A setting's text and its value: parsing with units, the messages for what does not parse, and the
 * text that SHOW prints.
 *
 * A unit is written after a number; each base unit belongs to memory or to time, and a number with a
 * unit is converted into it. A fraction ("30.1GB") is rounded to the next smaller unit, so that what
 * SHOW prints is short.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/limits.h"
#include "core/base/settings_internal.h"

typedef struct Unit {
    const char *name;
    double size; /* in bytes, or in microseconds */
} Unit;

/* Largest first, as SHOW tries them. */
static const Unit memory_units[] = {
    {"TB", 1024.0 * 1024 * 1024 * 1024}, {"GB", 1024.0 * 1024 * 1024}, {"MB", 1024.0 * 1024},
    {"kB", 1024.0},                      {"B", 1.0},
};
static const Unit time_units[] = {
    {"d", 86400e6}, {"h", 3600e6}, {"min", 60e6}, {"s", 1e6}, {"ms", 1e3}, {"us", 1.0},
};
static const char memory_hint[] =
    "Valid units for this parameter are \"B\", \"kB\", \"MB\", \"GB\", and \"TB\".";
static const char time_hint[] =
    "Valid units for this parameter are \"us\", \"ms\", \"s\", \"min\", \"h\", and \"d\".";

static bool
is_time_unit(SettingUnit unit)
{
    return unit == UNIT_MS || unit == UNIT_S || unit == UNIT_MIN;
}

/* The base unit's size in bytes or microseconds. */
static double
base_size(SettingUnit unit)
{
    switch (unit) {
    case UNIT_NONE:
    case UNIT_BYTE:
        return 1;
    case UNIT_KB:
        return 1024;
    case UNIT_BLOCKS:
    case UNIT_WAL_BLOCKS:
        return PAGE_BYTES;
    case UNIT_MB:
        return 1024.0 * 1024;
    case UNIT_MS:
        return 1e3;
    case UNIT_S:
        return 1e6;
    case UNIT_MIN:
        return 60e6;
    }
    return 1;
}

const char *
setting_unit_name(SettingUnit unit)
{
    static const char *const names[] = {NULL, "B", "kB", "8kB", "8kB", "MB", "ms", "s", "min"};
    return names[unit];
}

static const Unit *
units_of(SettingUnit unit, size_t *count)
{
    *count = is_time_unit(unit) ? COUNT_OF(time_units) : COUNT_OF(memory_units);
    return is_time_unit(unit) ? time_units : memory_units;
}

/* value in the unit called name, turned into the base unit. False: no such unit. */
static bool
convert_to_base(double value, const char *name, SettingUnit unit, double *out)
{
    size_t count;
    const Unit *units = units_of(unit, &count);
    double base = base_size(unit);
    for (size_t i = 0; i < count; i++)
        if (strcmp(units[i].name, name) == 0) {
            double v = value * (units[i].size / base);
            if (i + 1 < count) {
                double step = units[i + 1].size / base;
                v = rint(v / step) * step;
            }
            *out = v;
            return true;
        }
    return false;
}

/* Reads what follows the number: spaces, a unit, spaces. Adjusts *value. */
static bool
parse_unit(const char *p, SettingUnit unit, double *value, const char **hint)
{
    while (isspace((unsigned char)*p))
        p++;
    if (*p == '\0')
        return true;
    char name[8];
    size_t n = 0;
    while (*p && !isspace((unsigned char)*p) && n < sizeof(name) - 1)
        name[n++] = *p++;
    name[n] = '\0';
    while (isspace((unsigned char)*p))
        p++;
    if (unit == UNIT_NONE)
        return false;
    if (*p == '\0' && convert_to_base(*value, name, unit, value))
        return true;
    if (hint)
        *hint = is_time_unit(unit) ? time_hint : memory_hint;
    return false;
}

bool
settings_parse_int(const char *text, int *out, SettingUnit unit, const char **hint)
{
    char *end;
    if (hint)
        *hint = NULL;
    errno = 0;
    double value = (double)strtol(text, &end, 0); /* decimal, 0x hexadecimal, 0 octal */
    if (*end == '.' || *end == 'e' || *end == 'E' || errno == ERANGE) {
        errno = 0;
        value = strtod(text, &end);
    }
    if (end == text || errno == ERANGE || isnan(value))
        return false;
    if (!parse_unit(end, unit, &value, hint))
        return false;
    value = rint(value);
    if (value > INT_MAX || value < INT_MIN) {
        if (hint)
            *hint = "Value exceeds integer range.";
        return false;
    }
    *out = (int)value;
    return true;
}

bool
settings_parse_real(const char *text, double *out, SettingUnit unit, const char **hint)
{
    char *end;
    if (hint)
        *hint = NULL;
    errno = 0;
    double value = strtod(text, &end);
    if (end == text || errno == ERANGE || isnan(value))
        return false;
    if (!parse_unit(end, unit, &value, hint))
        return false;
    *out = value;
    return true;
}

/* Is text, ASCII case ignored, a prefix of word of at least `least` characters? */
static bool
abbreviates(const char *text, const char *word, size_t least)
{
    size_t n = strlen(text);
    if (n < least || n > strlen(word))
        return false;
    for (size_t i = 0; i < n; i++)
        if (char_lower_ascii(text[i]) != word[i])
            return false;
    return true;
}

bool
settings_parse_bool(const char *text, bool *out)
{
    if (abbreviates(text, "true", 1) || abbreviates(text, "yes", 1) || abbreviates(text, "on", 2) ||
        strcmp(text, "1") == 0)
        *out = true;
    else if (abbreviates(text, "false", 1) || abbreviates(text, "no", 1) ||
             abbreviates(text, "off", 2) || strcmp(text, "0") == 0)
        *out = false;
    else
        return false;
    return true;
}

static SettingError check_error; /* what a check function said */

void
settings_check_error(const char *detail_fmt, ...)
{
    va_list ap;
    va_start(ap, detail_fmt);
    vsnprintf(check_error.detail, sizeof(check_error.detail), detail_fmt, ap);
    va_end(ap);
}

void
settings_check_message(uint32_t sqlstate, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(check_error.message, sizeof(check_error.message), fmt, ap);
    va_end(ap);
    check_error.sqlstate = sqlstate;
}

void
settings_check_hint(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(check_error.hint, sizeof(check_error.hint), fmt, ap);
    va_end(ap);
}

static void
set_error(SettingError *e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e->message, sizeof(e->message), fmt, ap);
    va_end(ap);
}

static void
set_invalid(SettingError *e, const SettingDef *def, const char *text, const char *hint)
{
    set_error(e, "invalid value for parameter \"%s\": \"%s\"", def->name, text);
    if (hint)
        snprintf(e->hint, sizeof(e->hint), "%s", hint);
}

static const SettingEnum *
find_option(const SettingDef *def, const char *text)
{
    for (const SettingEnum *o = def->options; o && o->name; o++)
        if (str_casecmp_ascii(o->name, text) == 0)
            return o;
    return NULL;
}

static void
hint_options(SettingError *e, const SettingDef *def)
{
    size_t n = (size_t)snprintf(e->hint, sizeof(e->hint), "Available values: ");
    bool first = true;
    for (const SettingEnum *o = def->options; o && o->name; o++) {
        if (o->hidden)
            continue;
        if (n < sizeof(e->hint))
            n += (size_t)snprintf(e->hint + n, sizeof(e->hint) - n, "%s%s", first ? "" : ", ", o->name);
        first = false;
    }
    if (n < sizeof(e->hint))
        snprintf(e->hint + n, sizeof(e->hint) - n, ".");
}

static bool
accept_int(const SettingDef *def, const char *text, SettingError *e)
{
    int v;
    const char *hint;
    if (!settings_parse_int(text, &v, def->unit, &hint)) {
        set_invalid(e, def, text, hint);
        return false;
    }
    if (v < def->min || v > def->max) {
        const char *unit = setting_unit_name(def->unit);
        set_error(e, "%d%s%s is outside the valid range for parameter \"%s\" (%d .. %d)", v,
                  unit ? " " : "", unit ? unit : "", def->name, (int)def->min, (int)def->max);
        return false;
    }
    return true;
}

static bool
accept_real(const SettingDef *def, const char *text, SettingError *e)
{
    double v;
    const char *hint;
    if (!settings_parse_real(text, &v, def->unit, &hint)) {
        set_invalid(e, def, text, hint);
        return false;
    }
    if (v < def->min || v > def->max) {
        const char *unit = setting_unit_name(def->unit);
        set_error(e, "%g%s%s is outside the valid range for parameter \"%s\" (%g .. %g)", v,
                  unit ? " " : "", unit ? unit : "", def->name, def->min, def->max);
        return false;
    }
    return true;
}

static bool
accept_syntax(const SettingDef *def, const char *text, SettingError *e)
{
    bool b;
    switch (def->type) {
    case SETTING_BOOL:
        if (settings_parse_bool(text, &b))
            return true;
        set_error(e, "parameter \"%s\" requires a Boolean value", def->name);
        return false;
    case SETTING_INT:
        return accept_int(def, text, e);
    case SETTING_REAL:
        return accept_real(def, text, e);
    case SETTING_STRING:
        return true;
    case SETTING_ENUM:
        if (find_option(def, text))
            return true;
        set_invalid(e, def, text, NULL);
        hint_options(e, def);
        return false;
    }
    return false;
}

bool
setting_accept(const SettingDef *def, const char *text, SettingSource source, char **out,
               SettingError *error)
{
    memset(error, 0, sizeof(*error));
    error->sqlstate = SQLSTATE_INVALID_PARAMETER_VALUE;
    *out = NULL;
    if (text == NULL) { /* only a string without default */
        ASSERT(def->type == SETTING_STRING);
        if (def->check == NULL)
            return true;
    } else if (!accept_syntax(def, text, error)) {
        return false;
    }
    const char *accepted = text;
    if (def->check) {
        memset(&check_error, 0, sizeof(check_error));
        if (!def->check(def, &accepted, source)) {
            *error = check_error;
            if (error->sqlstate == 0)
                error->sqlstate = SQLSTATE_INVALID_PARAMETER_VALUE;
            if (error->message[0] == '\0')
                set_invalid(error, def, text ? text : "", NULL);
            return false;
        }
    }
    if (accepted == NULL)
        return true;
    size_t n = strlen(accepted);
    if ((def->flags & SETTING_IS_NAME) && n >= NAME_BYTES)
        n = utf8_clip(accepted, n, NAME_BYTES - 1);
    char *copy = setting_strdup(accepted);
    copy[n] = '\0';
    *out = copy;
    return true;
}

void
setting_store(const SettingDef *def, char *text)
{
    if (def->variable == NULL)
        return;
    bool ok = true;
    switch (def->type) {
    case SETTING_BOOL:
        ok = settings_parse_bool(text, def->variable);
        break;
    case SETTING_INT:
        ok = settings_parse_int(text, def->variable, def->unit, NULL);
        break;
    case SETTING_REAL:
        ok = settings_parse_real(text, def->variable, def->unit, NULL);
        break;
    case SETTING_STRING:
        *(char **)def->variable = text;
        break;
    case SETTING_ENUM:
        *(int *)def->variable = find_option(def, text)->value;
        break;
    }
    CHECK(ok); /* the text was accepted before */
}

/* A number in the largest unit that shows it without a fraction. */
static const char *
number_with_unit(Arena *a, double value, SettingUnit unit, bool whole)
{
    size_t count;
    const Unit *units = units_of(unit, &count);
    double bytes = value * base_size(unit);
    for (size_t i = 0; i < count; i++) {
        double v = bytes / units[i].size;
        if (i == count - 1 || (v == rint(v) && v >= 1)) {
            /* A unit below the base unit is only for fractions. */
            return whole ? arena_printf(a, "%.0f%s", v, units[i].name)
                         : arena_printf(a, "%g%s", v, units[i].name);
        }
    }
    return "";
}

/* The generic text of a value given as accepted text. */
static const char *
generic_text(const SettingDef *def, const char *text, Arena *a, bool with_units)
{
    bool b;
    int i;
    double d;
    if (text == NULL)
        return "";
    switch (def->type) {
    case SETTING_BOOL:
        return settings_parse_bool(text, &b) && b ? "on" : "off";
    case SETTING_INT:
        if (!settings_parse_int(text, &i, def->unit, NULL))
            return "";
        if (with_units && def->unit != UNIT_NONE && i > 0)
            return number_with_unit(a, i, def->unit, true);
        return arena_printf(a, "%d", i);
    case SETTING_REAL:
        if (!settings_parse_real(text, &d, def->unit, NULL))
            return "";
        if (with_units && def->unit != UNIT_NONE && d > 0)
            return number_with_unit(a, d, def->unit, false);
        return arena_printf(a, "%g", d);
    case SETTING_STRING:
        return text;
    case SETTING_ENUM: {
        const SettingEnum *o = find_option(def, text);
        if (!o)
            return "";
        const SettingEnum *first = def->options; /* a synonym is shown by the first name of its value */
        while (first->value != o->value)
            first++;
        return first->name;
    }
    }
    return "";
}

const char *
setting_plain_text(const SettingDef *def, const char *accepted, Arena *a)
{
    return generic_text(def, accepted, a, false);
}

const char *
setting_value_text(const SettingDef *def, const char *accepted, Arena *a, bool with_units)
{
    if (def->show)
        return def->show(a);
    return generic_text(def, accepted, a, with_units);
}

char *
setting_strdup(const char *s)
{
    char *p = strdup(s);
    if (p == NULL)
        RAISE(SQLSTATE_OUT_OF_MEMORY, "out of memory");
    return p;
}
