/*
 * Time zone abbreviations as input: "PST", "CEST", "msk".
 *
 * The set is PostgreSQL's Default, with Australia and India as its variations. Most stand for one
 * offset; those whose meaning has changed over time name a zone, whose history decides. Offsets are
 * kept in quarter hours.
 */
#include "core/types/datetime.h"

#include "core/types/datetime_int.h"

typedef struct Abbrev {
    char name[8];
    int8_t quarters; /* of an hour, east */
    int8_t dst;
    const char *zone;
} Abbrev;

/* Sorted by name. */
static const Abbrev default_set[] = {
    {"acdt", 42, 1, NULL}, {"acsst", 42, 1, NULL}, {"acst", 38, 0, NULL}, {"act", -20, 0, NULL},
    {"acwst", 35, 0, NULL}, {"adt", -12, 1, NULL}, {"aedt", 44, 1, NULL}, {"aesst", 44, 1, NULL},
    {"aest", 40, 0, NULL}, {"aft", 18, 0, NULL}, {"akdt", -32, 1, NULL}, {"akst", -36, 0, NULL},
    {"almst", 28, 1, NULL}, {"almt", 24, 0, NULL}, {"amst", 0, 0, "Asia/Yerevan"},
    {"amt", -16, 0, NULL}, {"anast", 0, 0, "Asia/Anadyr"}, {"anat", 0, 0, "Asia/Anadyr"},
    {"arst", 0, 0, "America/Argentina/Buenos_Aires"},
    {"art", 0, 0, "America/Argentina/Buenos_Aires"}, {"ast", -16, 0, NULL}, {"awsst", 36, 1, NULL},
    {"awst", 32, 0, NULL}, {"azost", 0, 1, NULL}, {"azot", -4, 0, NULL},
    {"azst", 0, 0, "Asia/Baku"}, {"azt", 0, 0, "Asia/Baku"}, {"bdst", 8, 1, NULL},
    {"bdt", 24, 0, NULL}, {"bnt", 32, 0, NULL}, {"bort", 32, 0, NULL}, {"bot", -16, 0, NULL},
    {"bra", -12, 0, NULL}, {"brst", -8, 1, NULL}, {"brt", -12, 0, NULL}, {"bst", 4, 1, NULL},
    {"btt", 24, 0, NULL}, {"cadt", 42, 1, NULL}, {"cast", 38, 0, NULL}, {"cct", 32, 0, NULL},
    {"cdt", -20, 1, NULL}, {"cest", 8, 1, NULL}, {"cet", 4, 0, NULL}, {"cetdst", 8, 1, NULL},
    {"chadt", 55, 1, NULL}, {"chast", 51, 0, NULL}, {"chut", 40, 0, NULL},
    {"ckt", 0, 0, "Pacific/Rarotonga"}, {"clst", -12, 1, NULL}, {"clt", 0, 0, "America/Santiago"},
    {"cot", -20, 0, NULL}, {"cst", -24, 0, NULL}, {"cxt", 28, 0, NULL},
    {"davt", 0, 0, "Antarctica/Davis"}, {"ddut", 40, 0, NULL}, {"easst", 0, 0, "Pacific/Easter"},
    {"east", 0, 0, "Pacific/Easter"}, {"eat", 12, 0, NULL}, {"edt", -16, 1, NULL},
    {"eest", 12, 1, NULL}, {"eet", 8, 0, NULL}, {"eetdst", 12, 1, NULL}, {"egst", 0, 1, NULL},
    {"egt", -4, 0, NULL}, {"est", -20, 0, NULL}, {"fet", 12, 0, NULL}, {"fjst", 52, 1, NULL},
    {"fjt", 48, 0, NULL}, {"fkst", 0, 0, "Atlantic/Stanley"}, {"fkt", 0, 0, "Atlantic/Stanley"},
    {"fnst", -4, 1, NULL}, {"fnt", -8, 0, NULL}, {"galt", -24, 0, NULL}, {"gamt", -36, 0, NULL},
    {"gest", 0, 0, "Asia/Tbilisi"}, {"get", 0, 0, "Asia/Tbilisi"}, {"gft", -12, 0, NULL},
    {"gilt", 48, 0, NULL}, {"gmt", 0, 0, NULL}, {"gyt", 0, 0, "America/Guyana"},
    {"hkt", 32, 0, NULL}, {"hst", -40, 0, NULL}, {"ict", 28, 0, NULL}, {"idt", 12, 1, NULL},
    {"iot", 0, 0, "Indian/Chagos"}, {"irkst", 0, 0, "Asia/Irkutsk"},
    {"irkt", 0, 0, "Asia/Irkutsk"}, {"irt", 14, 0, NULL}, {"ist", 8, 0, NULL},
    {"jayt", 36, 0, NULL}, {"jst", 36, 0, NULL}, {"kdt", 40, 1, NULL}, {"kgst", 24, 1, NULL},
    {"kgt", 0, 0, "Asia/Bishkek"}, {"kost", 0, 0, "Pacific/Kosrae"},
    {"krast", 0, 0, "Asia/Krasnoyarsk"}, {"krat", 0, 0, "Asia/Krasnoyarsk"}, {"kst", 36, 0, NULL},
    {"lhdt", 0, 0, "Australia/Lord_Howe"}, {"lhst", 42, 0, NULL}, {"ligt", 40, 0, NULL},
    {"lint", 0, 0, "Pacific/Kiritimati"}, {"lkt", 0, 0, "Asia/Colombo"},
    {"magst", 0, 0, "Asia/Magadan"}, {"magt", 0, 0, "Asia/Magadan"}, {"mart", -38, 0, NULL},
    {"mawt", 0, 0, "Antarctica/Mawson"}, {"mdt", -24, 1, NULL}, {"mest", 8, 1, NULL},
    {"mesz", 8, 1, NULL}, {"met", 4, 0, NULL}, {"metdst", 8, 1, NULL}, {"mez", 4, 0, NULL},
    {"mht", 48, 0, NULL}, {"mmt", 26, 0, NULL}, {"mpt", 40, 0, NULL}, {"msd", 16, 1, NULL},
    {"msk", 0, 0, "Europe/Moscow"}, {"mst", -28, 0, NULL}, {"must", 20, 1, NULL},
    {"mut", 16, 0, NULL}, {"mvt", 20, 0, NULL}, {"myt", 32, 0, NULL}, {"ndt", -10, 1, NULL},
    {"nft", -14, 0, NULL}, {"novst", 0, 0, "Asia/Novosibirsk"}, {"novt", 0, 0, "Asia/Novosibirsk"},
    {"npt", 23, 0, NULL}, {"nst", -14, 0, NULL}, {"nut", 0, 0, "Pacific/Niue"},
    {"nzdt", 52, 1, NULL}, {"nzst", 48, 0, NULL}, {"nzt", 48, 0, NULL},
    {"omsst", 0, 0, "Asia/Omsk"}, {"omst", 0, 0, "Asia/Omsk"}, {"pdt", -28, 1, NULL},
    {"pet", -20, 0, NULL}, {"petst", 0, 0, "Asia/Kamchatka"}, {"pett", 0, 0, "Asia/Kamchatka"},
    {"pgt", 40, 0, NULL}, {"pht", 32, 0, NULL}, {"pkst", 24, 1, NULL}, {"pkt", 20, 0, NULL},
    {"pmdt", -8, 1, NULL}, {"pmst", -12, 0, NULL}, {"pont", 44, 0, NULL}, {"pst", -32, 0, NULL},
    {"pwt", 36, 0, NULL}, {"pyst", -12, 1, NULL}, {"pyt", 0, 0, "America/Asuncion"},
    {"ret", 16, 0, NULL}, {"sadt", 42, 1, NULL}, {"sast", 8, 0, NULL}, {"sct", 16, 0, NULL},
    {"sgt", 0, 0, "Asia/Singapore"}, {"taht", -40, 0, NULL}, {"tft", 20, 0, NULL},
    {"tjt", 20, 0, NULL}, {"tkt", 0, 0, "Pacific/Fakaofo"}, {"tmt", 0, 0, "Asia/Ashgabat"},
    {"tot", 52, 0, NULL}, {"trut", 40, 0, NULL}, {"tvt", 48, 0, NULL}, {"uct", 0, 0, NULL},
    {"ulast", 36, 1, NULL}, {"ulat", 0, 0, "Asia/Ulaanbaatar"}, {"ut", 0, 0, NULL},
    {"utc", 0, 0, NULL}, {"uyst", -8, 1, NULL}, {"uyt", -12, 0, NULL}, {"uzst", 24, 1, NULL},
    {"uzt", 20, 0, NULL}, {"vet", 0, 0, "America/Caracas"}, {"vlast", 0, 0, "Asia/Vladivostok"},
    {"vlat", 0, 0, "Asia/Vladivostok"}, {"volt", 0, 0, "Europe/Volgograd"}, {"vut", 44, 0, NULL},
    {"wadt", 32, 1, NULL}, {"wakt", 48, 0, NULL}, {"wast", 28, 0, NULL}, {"wat", 4, 0, NULL},
    {"wdt", 36, 1, NULL}, {"wet", 0, 0, NULL}, {"wetdst", 4, 1, NULL}, {"wft", 48, 0, NULL},
    {"wgst", -8, 1, NULL}, {"wgt", -12, 0, NULL}, {"xjt", 24, 0, NULL},
    {"yakst", 0, 0, "Asia/Yakutsk"}, {"yakt", 0, 0, "Asia/Yakutsk"}, {"yapt", 40, 0, NULL},
    {"yekst", 24, 1, NULL}, {"yekt", 0, 0, "Asia/Yekaterinburg"}, {"z", 0, 0, NULL},
    {"zulu", 0, 0, NULL},
};
static const Abbrev australia_set[] = {
    {"cst", 38, 0, NULL}, {"east", 40, 0, NULL}, {"est", 40, 0, NULL}, {"sast", 38, 0, NULL},
    {"sat", 38, 0, NULL}, {"wst", 32, 0, NULL},
};
static const Abbrev india_set[] = {{"ist", 22, 0, NULL}};

static const Abbrev *extra = NULL; /* looked at first */
static int extra_count = 0;
static const Zone *zone_cache[COUNT_OF(default_set)];

bool
abbrev_set_choose(const char *name)
{
    if (strcmp(name, "Default") == 0) {
        extra = NULL;
        extra_count = 0;
    } else if (strcmp(name, "Australia") == 0) {
        extra = australia_set;
        extra_count = COUNT_OF(australia_set);
    } else if (strcmp(name, "India") == 0) {
        extra = india_set;
        extra_count = COUNT_OF(india_set);
    } else
        return false;
    return true;
}

static const Abbrev *
search(const Abbrev *set, int n, const char *name)
{
    int lo = 0, hi = n;
    while (lo < hi) {
        int mid = (lo + hi) / 2, order = strcmp(name, set[mid].name);
        if (order == 0)
            return &set[mid];
        if (order < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

AbbrevKind
abbrev_find(const char *lower, int *offset, const Zone **zone)
{
    const Abbrev *a = search(extra, extra_count, lower);
    if (!a)
        a = search(default_set, COUNT_OF(default_set), lower);
    if (!a)
        return ABBREV_NONE;
    if (a->zone) {
        const Zone **slot = &zone_cache[a - default_set];
        if (!*slot)
            *slot = zone_find(a->zone);
        if (!*slot)
            RAISE_ERR(SQLSTATE_CONFIG_FILE_ERROR,
                      err_message("time zone \"%s\" not recognized", a->zone),
                      err_detail("This time zone name appears in the configuration file for time "
                                 "zone abbreviation \"%s\".",
                                 lower));
        *zone = *slot;
        return ABBREV_ZONE;
    }
    *offset = a->quarters * 900;
    return a->dst ? ABBREV_DST : ABBREV_STD;
}

bool
abbrev_get(int i, const char **abbrev, int *offset, bool *dst, const Zone **zone)
{
    const Abbrev *a;
    if (i < extra_count)
        a = &extra[i];
    else {
        i -= extra_count;
        if (i >= (int)COUNT_OF(default_set))
            return false;
        a = &default_set[i];
    }
    bool overridden =
        !(a >= extra && a < extra + extra_count) && search(extra, extra_count, a->name);
    *abbrev = overridden ? NULL : a->name;
    *offset = a->quarters * 900;
    *dst = a->dst;
    *zone = a->zone ? zone_find(a->zone) : NULL;
    return true;
}
