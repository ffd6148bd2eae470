/*
 * The words of dates, times and intervals. Only the first ten letters of a word count, as always in
 * PostgreSQL: "microsecond" is found as "microsecon".
 */
#include "core/types/datetime.h"

#include "core/types/datetime_int.h"

#define WORD_MAX 10

typedef struct Word {
    char name[WORD_MAX + 1];
    uint8_t kind;
    uint8_t value;
} Word;

const char *const month_names[13] = {"",        "January",  "February", "March",  "April",
                                     "May",     "June",     "July",     "August", "September",
                                     "October", "November", "December"};
const char *const day_names[7] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                  "Thursday", "Friday", "Saturday"};

/* Both tables sorted. */
static const Word date_words[] = {
    {"-infinity", W_RESERVED, U_EARLY},
    {"ad", W_ADBC, 0},
    {"allballs", W_RESERVED, U_ZULU},
    {"am", W_AMPM, 0},
    {"apr", W_MONTH, 4},
    {"april", W_MONTH, 4},
    {"at", W_IGNORE, 0},
    {"aug", W_MONTH, 8},
    {"august", W_MONTH, 8},
    {"bc", W_ADBC, 1},
    {"d", W_UNITS, U_DAY},
    {"dec", W_MONTH, 12},
    {"december", W_MONTH, 12},
    {"dow", W_UNITS, U_DOW},
    {"doy", W_UNITS, U_DOY},
    {"dst", W_DTZMOD, 0},
    {"epoch", W_RESERVED, U_EPOCH},
    {"feb", W_MONTH, 2},
    {"february", W_MONTH, 2},
    {"fri", W_DOW, 5},
    {"friday", W_DOW, 5},
    {"h", W_UNITS, U_HOUR},
    {"infinity", W_RESERVED, U_LATE},
    {"isodow", W_UNITS, U_ISODOW},
    {"isoyear", W_UNITS, U_ISOYEAR},
    {"j", W_UNITS, U_JULIAN},
    {"jan", W_MONTH, 1},
    {"january", W_MONTH, 1},
    {"jd", W_UNITS, U_JULIAN},
    {"jul", W_MONTH, 7},
    {"julian", W_UNITS, U_JULIAN},
    {"july", W_MONTH, 7},
    {"jun", W_MONTH, 6},
    {"june", W_MONTH, 6},
    {"m", W_UNITS, U_MONTH},
    {"mar", W_MONTH, 3},
    {"march", W_MONTH, 3},
    {"may", W_MONTH, 5},
    {"mm", W_UNITS, U_MINUTE},
    {"mon", W_DOW, 1},
    {"monday", W_DOW, 1},
    {"nov", W_MONTH, 11},
    {"november", W_MONTH, 11},
    {"now", W_RESERVED, U_NOW},
    {"oct", W_MONTH, 10},
    {"october", W_MONTH, 10},
    {"on", W_IGNORE, 0},
    {"pm", W_AMPM, 1},
    {"s", W_UNITS, U_SECOND},
    {"sat", W_DOW, 6},
    {"saturday", W_DOW, 6},
    {"sep", W_MONTH, 9},
    {"sept", W_MONTH, 9},
    {"september", W_MONTH, 9},
    {"sun", W_DOW, 0},
    {"sunday", W_DOW, 0},
    {"t", W_ISOTIME, U_TIME},
    {"thu", W_DOW, 4},
    {"thur", W_DOW, 4},
    {"thurs", W_DOW, 4},
    {"thursday", W_DOW, 4},
    {"today", W_RESERVED, U_TODAY},
    {"tomorrow", W_RESERVED, U_TOMORROW},
    {"tue", W_DOW, 2},
    {"tues", W_DOW, 2},
    {"tuesday", W_DOW, 2},
    {"wed", W_DOW, 3},
    {"wednesday", W_DOW, 3},
    {"weds", W_DOW, 3},
    {"y", W_UNITS, U_YEAR},
    {"yesterday", W_RESERVED, U_YESTERDAY},
};
static const Word unit_words[] = {
    {"@", W_IGNORE, 0},
    {"ago", W_AGO, 0},
    {"c", W_UNITS, U_CENTURY},
    {"cent", W_UNITS, U_CENTURY},
    {"centuries", W_UNITS, U_CENTURY},
    {"century", W_UNITS, U_CENTURY},
    {"d", W_UNITS, U_DAY},
    {"day", W_UNITS, U_DAY},
    {"days", W_UNITS, U_DAY},
    {"dec", W_UNITS, U_DECADE},
    {"decade", W_UNITS, U_DECADE},
    {"decades", W_UNITS, U_DECADE},
    {"decs", W_UNITS, U_DECADE},
    {"h", W_UNITS, U_HOUR},
    {"hour", W_UNITS, U_HOUR},
    {"hours", W_UNITS, U_HOUR},
    {"hr", W_UNITS, U_HOUR},
    {"hrs", W_UNITS, U_HOUR},
    {"m", W_UNITS, U_MINUTE},
    {"microsecon", W_UNITS, U_MICROSEC},
    {"mil", W_UNITS, U_MILLENNIUM},
    {"millennia", W_UNITS, U_MILLENNIUM},
    {"millennium", W_UNITS, U_MILLENNIUM},
    {"millisecon", W_UNITS, U_MILLISEC},
    {"mils", W_UNITS, U_MILLENNIUM},
    {"min", W_UNITS, U_MINUTE},
    {"mins", W_UNITS, U_MINUTE},
    {"minute", W_UNITS, U_MINUTE},
    {"minutes", W_UNITS, U_MINUTE},
    {"mon", W_UNITS, U_MONTH},
    {"mons", W_UNITS, U_MONTH},
    {"month", W_UNITS, U_MONTH},
    {"months", W_UNITS, U_MONTH},
    {"ms", W_UNITS, U_MILLISEC},
    {"msec", W_UNITS, U_MILLISEC},
    {"msecond", W_UNITS, U_MILLISEC},
    {"mseconds", W_UNITS, U_MILLISEC},
    {"msecs", W_UNITS, U_MILLISEC},
    {"qtr", W_UNITS, U_QUARTER},
    {"quarter", W_UNITS, U_QUARTER},
    {"s", W_UNITS, U_SECOND},
    {"sec", W_UNITS, U_SECOND},
    {"second", W_UNITS, U_SECOND},
    {"seconds", W_UNITS, U_SECOND},
    {"secs", W_UNITS, U_SECOND},
    {"timezone", W_UNITS, U_TZ},
    {"timezone_h", W_UNITS, U_TZ_HOUR},
    {"timezone_m", W_UNITS, U_TZ_MINUTE},
    {"us", W_UNITS, U_MICROSEC},
    {"usec", W_UNITS, U_MICROSEC},
    {"usecond", W_UNITS, U_MICROSEC},
    {"useconds", W_UNITS, U_MICROSEC},
    {"usecs", W_UNITS, U_MICROSEC},
    {"w", W_UNITS, U_WEEK},
    {"week", W_UNITS, U_WEEK},
    {"weeks", W_UNITS, U_WEEK},
    {"y", W_UNITS, U_YEAR},
    {"year", W_UNITS, U_YEAR},
    {"years", W_UNITS, U_YEAR},
    {"yr", W_UNITS, U_YEAR},
    {"yrs", W_UNITS, U_YEAR},
};

static WordKind
search(const Word *words, int n, const char *lower, int *value)
{
    int lo = 0, hi = n;
    while (lo < hi) {
        int mid = (lo + hi) / 2, order = strncmp(lower, words[mid].name, WORD_MAX);
        if (order == 0) {
            *value = words[mid].value;
            return (WordKind)words[mid].kind;
        }
        if (order < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    *value = 0;
    return W_UNKNOWN;
}

WordKind
word_find(const char *lower, int *value)
{
    return search(date_words, COUNT_OF(date_words), lower, value);
}

WordKind
word_find_unit(const char *lower, int *value)
{
    return search(unit_words, COUNT_OF(unit_words), lower, value);
}

void
word_lower(const char *s, size_t n, char *out, size_t cap)
{
    if (n >= cap)
        n = cap - 1;
    for (size_t i = 0; i < n; i++)
        out[i] = to_lower(s[i]);
    out[n] = 0;
}
