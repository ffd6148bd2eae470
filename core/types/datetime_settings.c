/*
 * DateStyle, IntervalStyle, TimeZone and timezone_abbreviations (log_timezone is core/base's own).
 */
#include "core/types/datetime.h"

#include <stdlib.h>

#include "core/base/settings.h"
#include "core/types/datetime_int.h"

int date_style = STYLE_ISO, date_order = ORDER_MDY, interval_style = ISTYLE_POSTGRES;
const Zone *session_zone;

static char *datestyle_text, *timezone_text, *abbreviations_text;

/* ---- DateStyle: "style, order" in any case and sequence, parts optional ---- */

static const char *const style_names[] = {"ISO", "SQL", "Postgres", "German"};
static const char *const order_names[] = {"YMD", "DMY", "MDY"};

static bool
starts_with_ci(const char *s, const char *prefix)
{
    while (*prefix)
        if (to_lower(*s++) != to_lower(*prefix++))
            return false;
    return true;
}

static bool
parse_datestyle(const char *text, int *style, int *order, const char **bad)
{
    static char word[64];
    bool have_style = false, have_order = false;
    const char *p = text;
    while (*p) {
        size_t n = 0;
        while (is_space(*p))
            p++;
        bool quoted = *p == '"';
        if (quoted)
            p++;
        while (*p && (quoted ? *p != '"' : *p != ',' && !is_space(*p))) {
            if (n + 1 < sizeof word)
                word[n++] = *p;
            p++;
        }
        word[n] = 0;
        if (quoted && *p == '"')
            p++;
        while (is_space(*p))
            p++;
        if (*p == ',')
            p++;
        else if (*p) {
            *bad = NULL;
            return false;
        }
        int new_style = -1, new_order = -1;
        for (int i = 0; i < 4; i++)
            if (i == STYLE_POSTGRES || i == STYLE_GERMAN
                    ? starts_with_ci(word, i == STYLE_GERMAN ? "german" : "postgres")
                    : str_casecmp_ascii(word, style_names[i]) == 0)
                new_style = i;
        if (str_casecmp_ascii(word, "ymd") == 0)
            new_order = ORDER_YMD;
        else if (str_casecmp_ascii(word, "dmy") == 0 || starts_with_ci(word, "euro"))
            new_order = ORDER_DMY;
        else if (str_casecmp_ascii(word, "mdy") == 0 || str_casecmp_ascii(word, "us") == 0 ||
                 starts_with_ci(word, "noneuro"))
            new_order = ORDER_MDY;
        if (new_style < 0 && new_order < 0) {
            if (str_casecmp_ascii(word, "default") != 0) {
                *bad = word;
                return false;
            }
            if (!have_style)
                *style = STYLE_ISO;
            if (!have_order)
                *order = ORDER_MDY;
            continue;
        }
        *bad = NULL;
        if (new_style >= 0) {
            if (have_style && *style != new_style)
                return false;
            *style = new_style;
            have_style = true;
            if (new_style == STYLE_GERMAN && !have_order)
                *order = ORDER_DMY;
        } else {
            if (have_order && *order != new_order)
                return false;
            *order = new_order;
            have_order = true;
        }
    }
    return true;
}

static bool
check_datestyle(const SettingDef *def, const char **text, SettingSource source)
{
    static char canonical[32];
    const char *bad = NULL;
    int style = date_style, order = date_order;
    if (!parse_datestyle(*text, &style, &order, &bad)) {
        if (bad)
            settings_check_error("Unrecognized key word: \"%s\".", bad);
        else
            settings_check_error("Conflicting \"datestyle\" specifications.");
        return false;
    }
    char *p = put_str(canonical, style_names[style]);
    p = put_str(p, ", ");
    *put_str(p, order_names[order]) = 0;
    *text = canonical;
    return true;
}

static void
assign_datestyle(const SettingDef *def)
{
    const char *bad;
    parse_datestyle(datestyle_text, &date_style, &date_order, &bad);
}

/* ---- zones ---- */

static const Zone *
zone_from_setting(const char *text)
{
    const char *end;
    bool range;
    if (starts_with_ci(text, "interval")) { /* SET TIME ZONE INTERVAL '-08:00' */
        const char *open = text + 8;
        while (is_space(*open))
            open++;
        size_t n = *open == '\'' ? strlen(open + 1) : 0;
        char value[64];
        if (n < 2 || n > sizeof value || open[n] != '\'')
            return NULL;
        memcpy(value, open + 1, n - 1);
        value[n - 1] = 0;
        Interval v;
        if (parse_interval(value, IRANGE_FULL, &v) != PARSE_OK)
            return NULL;
        if (v.months != 0) {
            settings_check_error("Cannot specify months in time zone interval.");
            return NULL;
        }
        if (v.days != 0) {
            settings_check_error("Cannot specify days in time zone interval.");
            return NULL;
        }
        if (v.us / US_PER_HOUR < -167 || v.us / US_PER_HOUR > 167) {
            settings_check_error("UTC timezone offset is out of range.");
            return NULL;
        }
        return zone_of_offset((int)-(v.us / US_PER_SEC));
    }
    double hours = scan_double(text, &end, &range);
    if (end != text && *end == 0) {
        const Zone *z = hours > -168 && hours < 168 ? zone_of_offset((int)(-hours * 3600)) : NULL;
        if (!z)
            settings_check_error("UTC timezone offset is out of range.");
        return z;
    }
    const Zone *z = zone_find(text);
    if (z && zone_has_leap_seconds(z)) {
        settings_check_error("PostgreSQL does not support leap seconds.");
        return NULL;
    }
    return z;
}

static bool
check_zone(const SettingDef *def, const char **text, SettingSource source)
{
    const Zone *z = zone_from_setting(*text);
    if (!z)
        return false;
    *text = zone_name(z);
    return true;
}

static void
assign_timezone(const SettingDef *def)
{
    const Zone *z = zone_find(timezone_text);
    if (z)
        session_zone = z;
}

static bool
check_abbreviations(const SettingDef *def, const char **text, SettingSource source)
{
    if (strcmp(*text, "Default") == 0 || strcmp(*text, "Australia") == 0 ||
        strcmp(*text, "India") == 0)
        return true;
    settings_check_error("There is no time zone abbreviation set of this name.");
    return false;
}

static void
assign_abbreviations(const SettingDef *def)
{
    abbrev_set_choose(abbreviations_text);
}

static const SettingEnum interval_styles[] = {
    {"postgres", ISTYLE_POSTGRES, false},
    {"postgres_verbose", ISTYLE_VERBOSE, false},
    {"sql_standard", ISTYLE_SQL, false},
    {"iso_8601", ISTYLE_ISO, false},
    {NULL, 0, false},
};

#define GROUP_FORMAT "Client Connection Defaults / Locale and Formatting"
static const SettingDef defs[] = {
    {.name = "DateStyle",
     .type = SETTING_STRING,
     .context = CONTEXT_USER,
     .flags = SETTING_REPORT,
     .group = GROUP_FORMAT,
     .description = "Sets the display format for date and time values.",
     .variable = &datestyle_text,
     .boot = "ISO, MDY",
     .check = check_datestyle,
     .assign = assign_datestyle},
    {.name = "IntervalStyle",
     .type = SETTING_ENUM,
     .context = CONTEXT_USER,
     .flags = SETTING_REPORT,
     .group = GROUP_FORMAT,
     .description = "Sets the display format for interval values.",
     .variable = &interval_style,
     .boot = "postgres",
     .options = interval_styles},
    {.name = "TimeZone",
     .type = SETTING_STRING,
     .context = CONTEXT_USER,
     .flags = SETTING_REPORT,
     .group = GROUP_FORMAT,
     .description = "Sets the time zone for displaying and interpreting time stamps.",
     .variable = &timezone_text,
     .boot = "GMT",
     .check = check_zone,
     .assign = assign_timezone},
    {.name = "timezone_abbreviations",
     .type = SETTING_STRING,
     .context = CONTEXT_USER,
     .group = GROUP_FORMAT,
     .description = "Selects a set of time zone abbreviations.",
     .variable = &abbreviations_text,
     .boot = "Default",
     .check = check_abbreviations,
     .assign = assign_abbreviations},
};

void
types_datetime_settings_register(void)
{
    session_zone = zone_find("GMT");
    if (!session_zone) /* no zoneinfo installed: the name is a valid POSIX rule with an offset */
        session_zone = zone_find("GMT0");
    settings_register(defs, COUNT_OF(defs));
}
