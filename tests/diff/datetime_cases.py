#!/usr/bin/env python3
"""Records what PostgreSQL 15 answers to calls of core/catalog/fn_datetime.def's functions and to inputs of the
date and time types: writes tests/types_datetime_cases.inc. The server is found as psql finds it (PGHOST, PGPORT, PGUSER).

    tests/diff/datetime_cases.py [seed]

Left out on purpose: where PostgreSQL 15 lets an integer wrap around and Posthaste reports an error
(core/types/README.md), and whatever depends on the day of the recording.
"""
import os
import random
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 2026
rng = random.Random(SEED)

FUNCTIONS = {}
with open(os.path.join(ROOT, "core/catalog/fn_datetime.def")) as f:
    for line in f:
        m = re.match(r'(FN|FNB|SRF|AGG)\((\d+), (\w+), "(\w+)", "([^"]*)"', line)
        if m:
            FUNCTIONS[int(m[2])] = (m[1], m[3], m[4], m[5].split())

cases = []          # ("SET", name, value), ("IN"|"SEND", type, typmod, text), ("CALL", oid, arg...)


def setting(name, value):
    cases.append(("SET", name, value))


# ---- input texts ----

DATETIMES = """2001-02-03|2001-02-03 04:05|2001-02-03 04:05:06.7|2001-02-03T04:05:06Z|2001-02-03 04:05:06 PST|2001-02-03 04:05:06 America/New_York
2001-07-03 04:05:06 America/New_York|Sat Feb 03 04:05:06 2001 PST|Feb 3 2001|3 Feb 2001|2001 Feb 3|Feb-03-2001|3-Feb-01|20010203|010203|20010203T040506
2001.02.03|2.3.2001|03/02/2001|02/03/01|2001-034|2001.034|034.2001|J2451944|JD 2451944|julian 2451944|j 2451944.25|J2451944 04:05 PST|2451944 J|J2451187-08
infinity|-infinity|+infinity|epoch|INFINITY|inf|- infinity|infinity infinity|2020-01-01 infinity|infinity 2020-01-01|infinity utc|epoch 10:00
Feb 29 2001|Feb 29 2000|2000-02-30|0001-01-01|0099-01-01|99-1-1|1-1-99|01-01-0099|10000-01-01|1-1-10000|100000101|0000-01-01|-0001-01-01|January 8, 99 BC
12:34:56 2001-02-03|2001-02-03 12:34:56 AM|2001-02-03 12:34:56 PM|2001-02-03 1:02 am|2001-02-03 00:00 am|2001-02-03 13:00 am|2001-02-03 13:00 pm
2001-02-03 04:05:06+05|2001-02-03 04:05:06-05:30|2001-02-03 04:05:06+053015|2001-02-03 04:05:06+05:30:15|2001-02-03 04:05:06 + 5|2001-02-03 04:05:06 UTC+3
2001-02-03 04:05:06 EST5EDT|2001-07-03 04:05:06 EST5EDT|2001-02-03 04:05:06 <+03>-3|2001-02-03 04:05:06 GMT-5|2001-02-03 04:05:06 Etc/GMT-5|2020-01-01 00:00 FOO5BAR
2007-03-11 02:30 America/New_York|2007-03-11 03:00 America/New_York|2007-11-04 01:30 America/New_York|2007-11-04 00:59:59 America/New_York|2007-11-04 02:00 America/New_York
1883-11-18 12:03 America/New_York|1800-01-01 America/New_York|2011-03-27 02:00 MSK|2011-03-26 MSK|2012-01-01 MSK|2015-01-01 MSK|1980-01-01 MSK|2014-10-26 01:30 Europe/Moscow
2001-02-03 24:00|2001-02-03 24:00:00.1|2001-02-03 23:59:60|2001-02-03 23:59:60.1|2001-02-03 23:60|2001-02-03 -1:00|2001-02-03 1:2:3|2001-02-03 1:2:3.4.5|2001-02-03 1:2:3:4
2001-02-03 1:|2001-02-03 :1|2001-02-03 04:05:06.1234567|2001-02-03 04:05:06.9999995|2001-02-03 04:05:06.9999994|2001-02-03 04:05:06.|2001-02-03 04:05.5|2001-02-03 4.5
2001-13-01|2001-00-01|2001-01-00|2001-01-32|13/13/2001|2001-2-3|2001-2-3-4|2001--2-3|2001-2|2001|20|2|-|+|.|:|/|@|a|z|foo|2001-02-03 foo|2001-02-03 zzz|2001-02-03 04:05 foo/bar
2001-02-03 at 04:05|on 2001-02-03|Monday 2001-02-03|Mon Feb 5 2001|Feb 5 Mon 2001|2001-02-03 04:05 monday|mon tue|feb feb 2001|2001 2001 2001|1 2 3|1 2 3 4|12 13 14|31 12 2001
2001 12 31|12 31 2001 10:11|12 31 10:11 2001|99-01-08|1/8/1999|1/18/1999|08-Jan-99|Jan-08-1999|1999-Jan-08|08-99-Jan|99-08-Jan|1999-08Jan|1999-1-08Jan
99999999999|999999999999999999999|2001-02-03 99:99|2001-99999999999-1|99999999999-01-01|5874897-12-31|5874898-01-01|294276-12-31 23:59:59.999999|294277-01-01 00:00:00
294276-12-31 23:59:59 -08|4714-11-24 00:00:00 BC|4714-11-23 23:59:59 BC|4714-11-24 00:00:00+08 BC|4713-01-01 BC|0001-12-31 BC|1 BC|2001-02-03 BC AD|0 BC|J0|J2147483493|J2147483494
2001-02-03 04:05:06 MET DST|2001-02-03 04:05:06 DST|2001-02-03 DST MET|2001-02-03 04:05 EST EDT|2001-02-03 04:05:06 +02 DST|2001-02-03 04:05:06 America/New_York DST
2001-07-03 04:05 CEST|2001-02-03 04:05 IST|2001-02-03 04:05 z z|2020-07-01 12:00 +15:59:59|2020-07-01 12:00 +16|2020-07-01 12:00 +1530|2020-07-01 12:00 -1|2020-07-01 12:00 +100
2001-02-03 t 04:05|2001-02-03t040506|2001-02-03t04:05-08|2001-02-03 t040506-08|t 04:05 2001-02-03|2001-02-03 t t 04:05|2001-02-03T|2020-01-01 julian
2001-02-03 y 1|2001 y 02 m 03 d|y2001m02d03|y2001m02d03h04m05|y2001m02d03h04mm05s06.7|2001y02m03d|2001-02-03 h 4 mm 5|2020-01-01 10:00 dow|2001-01-01 049999
2001-02-03 04 05 06|2001-02-03 04 pm|2001-02-03 4|2001-02-03 0405|2001-02-03 040506|2001-02-03 04050|2001-02-03 040506.5|2001-02-03 0405.5|20010203 040506|20010203040506
010203040506|20010203.040506| 2001-02-03 |  2001-02-03  04:05:06  |2001-02-03 04:05:06 +  08|2001- 02-03|2001 -02 -03|2001-02 -03|-2001-02-03|+2001-02-03|2001-02-03+08
2001-02-03 -08 10:00|10:00 -08 2001-02-03|2024-02-29 23:59:59.999999|2023-02-29|1900-02-29|2100-02-29 00:00|1582-10-10|0005-02-29 BC|0001-02-29 BC|2001-02-03, 04:05;06
[2001-02-03]|2001_02_03|2001/02/03|2001/2/3 4:5|2/3|2/3/|/2/3|2001-feb-03|2001feb03|03feb2001|feb032001|feb-03|3.feb.2001|feb.3.2001|0x10|1e5|2001-02-03 1e5|2020-01-01 allballs""".replace("\n", "|").split("|")
TIMES = """04:05:06|040506|04:05|0405|04:05:06 PST|04:05:06-08|04:05:06 America/New_York|2003-04-12 04:05:06 America/New_York|04:05 AM|04:05 PM|allballs|zulu|z|04:05:06.789-8
040506.789+08|040506+0730|040506+07:30:00|24:00|24:00:00.000001|4:5:6|T040506|T04:05:06.5|t0405|04|4 pm|04:05 mon|040506 PST|0405 am|1:2:3 pm EST|12:00 am|12:00 pm|00:00 pm|25:00
23:60|23:59:61|23:59:60|23:59:60.5|10:10:10 T|10101|101010.5|2020-01-01 10:00|2020-07-01 10:00 BST|10:00 allballs|10:00 infinity|epoch|today|10:00 jan|h04mm05s06.7|j2451187 04:05|s06.7|10:00 Etc/UTC""".replace("\n", "|").split("|")
INTERVALS = """1|1.5|-1|1 day|1 days 2|1 2|1-2|-1-2|1-2 3|1-2 3 4:05|1 4:05|-1 4:05|1 -4:05|+1 -2 +3:04|1-13|1--2|1.5-2|4:05|4:05:06|4:05:06.7|-4:05:06.7|+4:05|4:05.6|04|1:2:3:4|1:60|1:00:61
100:00|-100:00:00.5|99999999999:00|2562047788:00:54.775807|2562047788:00:54.775808|1 year|1 years 2 mons 3 days 4 hours 5 min 6 sec|1y2mon3d4h5m6s|1y 2 mons -3d +4h|@ 1 day ago
1 day ago ago|ago 1 day|1 day -1 hour ago|@ 1|1 week|1.5 weeks|1.5 months|1.55 months|1.5 years|1.55 years|0.01 years|1.5 decades|1.23 centuries|1.234 millennia|1 c|1 mil|1.5 days
1.5 hours|1.5 min|1.5 ms|1.5 us|1.6 us|-1.5 us|-1.6us|.5|.5 day|-.5 day|1. day|1.e3|1e3 days|1 microsecond 1 millisecond 1 second|1.5 second 1 microsecond|1 second 1 second|1:00 1 hour
1 us 1:00|1 quarter|1 timezone|1 epoch|now|infinity|-infinity|1 fortnight|1 monday|1 jan|jan 1|2147483647 days|2147483648 days|-2147483648 days|2147483647 months|2147483648 months
178956970 years 7 months|178956970 years 8 months|9223372036854775807 us|9223372036854775808 us|-9223372036854775808 us|9223372036854.775807|2562047789 hours|306783378 weeks|306783379 weeks
-9223372036854775808 us ago|1 day 99999999999 years|P1Y|P1Y2M3DT4H5M6S|P1Y2M3DT4H5M6.789S|P-1Y-2M-3DT-4H-5M-6.5S|PT1H|PT|P|P1|P1YT|P1.5Y|P1.5M|P1.5W|P1.5D|PT1.5H|PT1.5M|PT1.5S|P1W2D
P0001-02-03|P0001-02-03T04:05:06|P0001-02|P00010203|P00010203T040506|PT040506|PT04:05:06|PT04:05|PT04|P1-2-3|P-1-2-3|P1Y0001-02|P0002T04|PT1Y|P1H|P1Yx|p1y|P 1Y|P+1Y|P.5Y|P1e3D|P1e20D
1 day.|1-2-3|1/2|1/2/3|01-02|+1-2|1-2 -3 4:05:06|1 2:3|1 +2:3|1 -2:3|- 1 day|+ 1 day|1 day+1 hour|1day1hour|day|days 1|1 day 1||.|-|1_day|1 d|1 h|1 m|1 s|1 w|1 y|12:34 PM|2001-02-03|1 bc
1 dec|1 decs|1 hr 1 hrs|1 msec|1 milliseconds|1 century|1 @ 2 days|1 2 hours|1 2 minutes""".replace("\n", "|").split("|")


def input_cases():
    styles = (("ISO, MDY", "GMT"), ("SQL, DMY", "America/New_York"), ("Postgres, YMD", "Europe/Moscow"),
              ("German", "Asia/Kolkata"), ("Postgres, DMY", "America/St_Johns"), ("SQL, MDY", "Europe/London"))
    for number, (style, zone) in enumerate(styles):
        setting("DateStyle", style)
        setting("TimeZone", zone)
        for text in DATETIMES:
            kinds = ("date", "timestamp", "timestamptz") if number == 0 else (rng.choice(("date", "timestamp", "timestamptz")),)
            cases.extend(("IN", kind, -1, text) for kind in kinds)
        if zone in ("GMT", "Asia/Kolkata"):
            for text in TIMES + rng.sample(DATETIMES, 60):
                cases.extend(("IN", kind, -1, text) for kind in ("time", "timetz"))
    setting("DateStyle", "ISO, MDY")
    setting("TimeZone", "GMT")
    units = "us ms s sec second m min h hours d days w week mon months y years dec c mil".split()
    texts = list(INTERVALS)
    for _ in range(150):
        parts = [rng.choice(["", "-", "+"]) + rng.choice(["%d" % rng.randint(0, 9999), "%.*f" % (rng.randint(1, 7), rng.uniform(0, 500))])
                 + rng.choice(["", " "]) + rng.choice(units) for _ in range(rng.randint(1, 4))]
        if rng.random() < .4:
            parts.append(rng.choice(["", "-", "+"]) + "%d:%02d:%02d.%d" % (rng.randint(0, 30), rng.randint(0, 59), rng.randint(0, 59), rng.randint(0, 99)))
        texts.append(" ".join(parts) + rng.choice(["", "", "", " ago"]))
    for style in ("postgres_verbose", "sql_standard", "iso_8601", "postgres"):
        setting("IntervalStyle", style)
        some = texts if style == "postgres" else rng.sample(texts, len(texts) // 3)
        cases.extend(("IN", "interval", -1, t) for t in some)
    masks = (4, 2, 8, 1024, 2048, 4096, 6, 1032, 3080, 7176, 3072, 7168, 6144, 0x7fff)
    for mask in masks:
        for text in ("1", "1 2", "1:2", "-1:2:3.456789", "1 2:3", "1-2", "1 year 2 mons 3 days 4:05:06.789", "1.5"):
            cases.append(("IN", "interval", mask << 16 | rng.choice((0, 2, 6, 0xffff)), text))
    for kind in ("time", "timetz", "timestamp", "timestamptz"):
        for precision in range(8):
            for text in ("2001-02-03 04:05:06.123456", "1999-12-31 23:59:59.999999", "1970-01-01 00:00:00.555555", "1999-12-31 23:59:58.5"):
                cases.append(("IN", kind, precision, text))
    for kind, text in (("date", "2001-02-03"), ("time", "04:05:06.7"), ("timetz", "04:05:06.7-08"), ("timestamp", "1901-02-03 04:05:06.7"),
                       ("timestamptz", "2001-02-03 04:05:06.7"), ("interval", "-1 year 2 mons 3 days 04:05:06.7"), ("date", "infinity"),
                       ("timestamp", "-infinity")):
        cases.append(("SEND", kind, -1, text))


# ---- function arguments ----

UNITS = ("microseconds milliseconds second minute hour day week month quarter year decade century millennium julian isoyear "
         "isodow dow doy epoch timezone timezone_hour timezone_minute foo now us MONTH YEARS").split()
ZONES = ("America/New_York Europe/London UTC Asia/Kolkata EST MSK PST8PDT +05:30 Australia/Lord_Howe nowhere msd <+03>-3 CEST "
         "Asia/Tokyo America/St_Johns FOO5BAR est5edt").split()


def a_date():
    k = rng.random()
    if k < .05:
        return rng.choice(("infinity", "-infinity", "4714-11-24 BC", "0001-01-01", "0001-12-31 BC", "2000-02-29", "1999-12-31", "1970-01-01"))
    if k < .15:
        return "%04d-%02d-%02d BC" % (rng.randint(1, 4700), rng.randint(1, 12), rng.randint(1, 28))
    if k < .2:
        return "%04d-%02d-%02d" % (rng.randint(1, 280000), rng.randint(1, 12), rng.randint(1, 28))
    return "%04d-%02d-%02d" % (rng.randint(1900, 2037), rng.randint(1, 12), rng.randint(1, 28))


def a_time():
    if rng.random() < .05:
        return rng.choice(("00:00:00", "24:00:00", "23:59:59.999999", "12:00:00"))
    return "%02d:%02d:%02d" % (rng.randint(0, 23), rng.randint(0, 59), rng.randint(0, 59)) + rng.choice(("", ".%d" % rng.randint(0, 999999), ".5"))


def a_timestamp():
    day = a_date()
    if "inf" in day:
        return day
    return day.replace(" BC", "") + " " + a_time() + (" BC" if "BC" in day else "")


def an_interval():
    if rng.random() < .05:
        return rng.choice(("0", "1 day", "-1 day", "1 mon", "30 days", "-30 days 00:00:01", "2147483647 days", "178000000 years", "24:00"))
    parts = []
    if rng.random() < .5:
        parts.append("%d mons" % rng.choice((rng.randint(-30, 30), rng.randint(-5000, 5000))))
    if rng.random() < .6:
        parts.append("%d days" % rng.choice((rng.randint(-40, 40), rng.randint(-50000, 50000))))
    if rng.random() < .7:
        parts.append(rng.choice(("", "-")) + "%d:%02d:%02d.%d" % (rng.randint(0, 300), rng.randint(0, 59), rng.randint(0, 59), rng.randint(0, 999999)))
    return " ".join(parts) or "0"


def argument(kind, name, i):
    if kind == "interval" and name == "timezone":
        return rng.choice(("05:30", "-08:00", "-3:30:15", "1 day", "00:00", "10:00:00.7"))
    if kind == "interval":
        return an_interval()
    if kind == "timetz":
        return a_time() + rng.choice(("+00", "-08", "+05:30", "-03:30:15", "+15:59"))
    if kind in ("timestamp", "timestamptz"):
        return a_timestamp()
    if kind == "date":
        return a_date()
    if kind == "time":
        return a_time()
    if kind == "text":
        return rng.choice(ZONES if name in ("timezone", "make_timestamptz") or i == 2 else UNITS)
    if kind == "bool":
        return rng.choice("tf")
    if kind == "int8":
        return str(rng.randint(-10 ** 18, 10 ** 18))
    if kind == "float8":
        if name.startswith("make_"):
            return rng.choice(("0", "59.999999", "60", "60.0000001", "30.5", "%.6f" % rng.uniform(0, 60), "-1", "NaN"))
        if name == "to_timestamp":
            return rng.choice(("0", "NaN", "Infinity", "-Infinity", "1e13", "-1e13", "%.6f" % rng.uniform(-1e10, 1e10), "1.5"))
        return rng.choice(("0", "1", "-1", "0.5", "3", "1.5", "10", "0.1", "1e10", "NaN", "Infinity", "%.6f" % rng.uniform(-100, 100)))
    if name == "make_time":
        return str((rng.randint(0, 24), rng.randint(0, 60))[i])
    if name == "make_interval":
        return str(rng.randint(-50, 50))
    if name.startswith("make_"):
        return str((rng.choice((2000, 1999, -5, 0, 294276, rng.randint(1, 3000))), rng.randint(1, 13), rng.randint(1, 31), rng.randint(0, 24),
                    rng.randint(0, 60))[i])
    if name == "interval":
        return str(rng.choice((-1, 0x7fff << 16 | rng.randint(0, 6), 6 << 16 | 0xffff, 3072 << 16 | 0xffff)))
    if name in ("time", "timetz", "timestamp", "timestamptz"):
        return str(rng.randint(0, 6))
    return str(rng.choice((0, 1, -1, rng.randint(-1000, 1000), rng.randint(-100000, 100000), 2147483647)))


UNSTEADY = {"now", "statement_timestamp", "transaction_timestamp", "clock_timestamp", "timeofday", "pg_sleep", "pg_sleep_for",
            "pg_sleep_until", "pg_timezone_names", "pg_timezone_abbrevs"}
UNSTEADY_OIDS = {1386, 2059, 2037, 2047}


def function_cases():
    setups = (("ISO, MDY", "GMT", 5), ("ISO, MDY", "America/New_York", 3), ("SQL, DMY", "Europe/Moscow", 2), ("Postgres, MDY", "Australia/Lord_Howe", 2))
    for style, zone, count in setups:
        setting("DateStyle", style)
        setting("TimeZone", zone)
        for oid, (kind, name, ret, args) in FUNCTIONS.items():
            if (kind == "SRF" or kind == "AGG" or name in UNSTEADY or oid in UNSTEADY_OIDS or {"cstring", "internal", "_cstring"} & set(args)
                    or ret in ("cstring", "bytea") or name.startswith("to_") and oid != 1158 or name.endswith("typmodout")):
                continue
            if zone != "GMT" and not {"timestamptz", "timetz"} & set(args + [ret]):
                continue
            for _ in range(count * 3 if name in ("extract", "date_trunc", "timezone") else count):
                values = [argument(k, name, i) for i, k in enumerate(args)]
                if name == "overlaps":
                    values = [v if rng.random() < .85 else "\\N" for v in values]
                if name == "age" and any("inf" in v for v in values):
                    continue
                cases.append(("CALL", oid) + tuple(values))
    setting("DateStyle", "ISO, MDY")
    setting("TimeZone", "America/New_York")
    for args in (("2020-01-01", "2020-03-01", "1 mon"), ("2020-01-31", "2020-08-01", "1 mon"), ("2020-03-01", "2020-02-20", "-1 day"), ("2020-01-01", "2020-03-01", "0")):
        cases.append(("CALL", 938) + args)
        cases.append(("CALL", 939) + args)
    for _ in range(250):
        zone = rng.choice(("Europe/Berlin", "America/Los_Angeles", "Asia/Tehran", "Australia/Sydney", "Pacific/Apia", "Africa/Cairo", "America/Sao_Paulo",
                           "Asia/Kathmandu", "Europe/Dublin", "Africa/Casablanca", "America/Caracas", "Asia/Pyongyang", "Antarctica/Troll",
                           "EST5EDT,M3.2.0,M11.1.0", "NZST-12NZDT,M9.5.0,M4.1.0/3", "AAA3BBB,J60/0,J300", "<-03>3<-02>,M3.5.0/-2,M10.5.0/-1", "X", "A168"))
        year = rng.randint(1880, 2015) if "/" in zone and "," not in zone else rng.randint(1900, 5000)
        text = "%04d-%02d-%02d %02d:%02d:%02d" % (year, rng.randint(1, 12), rng.randint(1, 28), rng.randint(0, 23), rng.randint(0, 59), rng.randint(0, 59))
        cases.append(("CALL", rng.choice((1159, 2069)), zone, text))


# ---- templates ----

DATE_FIELDS = ("A.D. A.M. AD AM B.C. BC CC DAY DDD DD DY Day Dy D FF1 FF2 FF3 FF4 FF5 FF6 FX HH24 HH12 HH IDDD ID IW IYYY IYY IY I J MI MM MONTH MON MS "
               "Month Mon OF P.M. PM Q RM SSSSS SSSS SS TZH TZM TZ US WW W Y,YYY YYYY YYY YY Y a.d. a.m. ad am b.c. bc cc day ddd dd dy d ff1 ff3 hh24 hh "
               "iddd id iw iyyy iy i j mi mm month mon ms of p.m. pm q rm sssss ss tzh tzm tz us ww w y,yyy yyyy yyy yy y").split()
STAMPS = ("2001-02-03 04:05:06.789012", "1999-12-31 23:59:59.999999", "0044-03-15 12:00:00 BC", "0001-01-01 00:00:00", "2000-02-29 13:14:15",
          "12345-06-07 08:09:10", "2024-12-30 00:00:01", "infinity", "2021-01-03 11:11:11")
SPANS = ("1 year 2 mons 3 days 04:05:06.789", "-1 year -2 mons -3 days -04:05:06.789", "0", "-5 mons", "100:00:00", "25 years", "3 days 23:59:59.999999")
TEXT_TEMPLATES = """0097/Feb/16 --> 08:14:30|YYYY/Mon/DD --> HH:MI:SS
97/2/16 8:14:30|FMYYYY/FMMM/FMDD FMHH:FMMI:FMSS
2011$03!18 23_38_15|YYYY-MM-DD HH24:MI:SS
1985 January 12|YYYY FMMonth DD
My birthday-> Year: 1976, Month: May, Day: 16|"My birthday-> Year:" YYYY, "Month:" FMMonth, "Day:" DD
1,582nd VIII 21|Y,YYYth FMRM DD
05121445482000|MMDDHH24MISSYYYY
2000January09Sunday|YYYYFMMonthDDFMDay
97/Feb/16|FXYY:Mon:DD
20000-1116|YYYY-MMDD
1997 BC 11 16|YYYY BC MM DD
995-1116|YYY-MMDD
2005426|YYYYWWD
2005527|IYYYIWID
5527|IIWID
2005364|IYYYIDDD
  20050302|YYYYMMDD
2011-12-18 11:38 P.M.|YYYY-MM-DD HH12:MI P.M.
2011-12-18 11:38 -05:20|YYYY-MM-DD HH12:MI TZH:TZM
2011-12-18 11:38 PST|YYYY-MM-DD HH12:MI TZ
2018-11-02 12:34:56.123456|YYYY-MM-DD HH24:MI:SS.FF3
2018-11-02 12:34:56.9|YYYY-MM-DD HH24:MI:SS.FF1
-44-02-01 11:12:13 BC|YYYY-MM-DD HH24:MI:SS BC
2011-12-18   23:38:15|YYYY-MM-DD  HH24:MI:SS
2000+   JUN|YYYY/MON
2000 ++ JUN|YYYY  MON
2000 + + JUN|YYYY   MON
2000 -10|YYYY TZH
2011 x12 x18|YYYYxMMxDD
19971)24|YYYYMMDD
10000000000|FMYYYY
Friday 1-January-1999|DY DD MON YYYY
Fri 1-January-1999|DY DD MONTH YYYY
2016-13-10|YYYY-MM-DD
2015-02-29|YYYY-MM-DD
2015-02-11 86000|YYYY-MM-DD SSSSS
2015-02-11 86400|YYYY-MM-DD SSSS
2016-06-13 25:00:00|YYYY-MM-DD HH24:MI:SS
2016-06-13 15:50:55|YYYY-MM-DD HH:MI:SS
2016 366|YYYY DDD
2015 366|YYYY DDD
366|DDD
20 40|CC YY
5 40 BC|CC YY BC
5 00 BC|CC YY BC
21|CC
2451187 05:06|J HH24:MI
2020 3|YYYY Q
2020 xii|YYYY RM
2020 3 2|YYYY MM W
2020 53 7|IYYY IW ID
620|YYY
12,345|Y,YYY
1234|Y,YYY
abc|YYYY
2020 mon|YYYY Day
0:2:3 am|HH:MI:SS am
2020 2021|YYYY YYYY
99999999999|YYYY
294277-12-31|FMYYYY-MM-DD
4714-11-23 BC|YYYY-MM-DD BC
202002030405061|YYYYMMDDHH24MISSMS
3rd of May 2020|FMDDth "of" Month YYYY
2020-2-03|FXYYYY-MM-DD
jan 5|TMMon DD
15:16:17.5|HH24:MI:SS.US""".split("\n")
NUMBER_TEMPLATES = """9999|0000|9.9|FM9.9|999.99|FM999.99|FM999.009|S999|999S|FMS999|MI999|999MI|FM999MI|PL999|999PL|SG999|999SG|999PR|FM999PR|RN|FMRN|rn|999TH
FM999th|9,999|9G999|FM9,999|0009|09|FM09|0.9|FM0.0|9.90|FM9.90|99V99|9V9|L999|999L|9.99EEEE|9EEEE|FM9999.9999S|B999|99.|.99|FM.99|S.9||S|.|9"text"9|999 999
FM999.|999.990|FM990.999|SG09.99|09.99PR|000.00|9999999999|9G9G9|PR|EEEE9|S9S|9PR9|.9.|V.|MI9S|9SMI|PLMI9|FM9EEEE|9PRS|x999x|\\"9\\"9|SP9|99C|1|9999SPPRD|SGrnthRN99""".replace("\n", "|").split("|")
NUMBERS = ("0 1 -1 12 -12 123 1234 -12345 2147483647 11 21 3999 4000 0.1 -0.1 0.5 1.5 -1.5 123.456 -123.456 0.001 99.995 9.99 1e30 1e-10 NaN Infinity "
           "-Infinity 0.00 12345678901234567890.123456789 -0.004").split()
NUMBER_TEXTS = """1|-1|12|1234|-34,338,492|-34,338,492.654,878|0.00001-|+123|5.01-|<564646.654564>|.01|.0|-.01|  . 0 1-|34,50|$1,234.56|123456|42nd|10.00 xyz|abc||--1|1-|1.2.3| 1|- 1|1>|99999999|12.5 -""".split("|")
NUMBER_INPUTS = """99G999G999D999G999|FM9.999999S|FM9.999999MI|9.99|99999|S999|999S|SG999|999SG|999PR|MI999|999MI|PL999|999th|L9,999.99|9,999|FM9,999|99V99|RN|9EEEE|0.9|999 999|FM999|S|.|9"xx"9""".split("|")


def template_cases():
    for zone in ("GMT", "America/St_Johns"):
        setting("TimeZone", zone)
        for field in DATE_FIELDS:
            for _ in range(3):
                template = rng.choice(("", "FM", "TM")) + field + rng.choice(("", "TH", "th"))
                cases.append(("CALL", rng.choice((2049, 1770)), rng.choice(STAMPS), template))
                cases.append(("CALL", 1768, rng.choice(SPANS), template))
        literals = (" ", "-", "/", ":", ",", ".", "T", ' "text" ', '"a\\"b"', "\\", '\\"', "_", "  ", "x", "é", "")
        for _ in range(150):
            template = "".join(rng.choice(("", "", "FM")) + rng.choice(DATE_FIELDS) + rng.choice(("", "", "TH", "th")) + rng.choice(literals)
                               for _ in range(rng.randint(1, 5)))
            cases.append(("CALL", rng.choice((2049, 1770)), rng.choice(STAMPS), template))
            cases.append(("CALL", 1768, rng.choice(SPANS), template))
        for pair in TEXT_TEMPLATES:
            text, template = pair.split("|", 1)
            cases.append(("CALL", 1778, text, template))
            cases.append(("CALL", 1780, text, template))
    for template in NUMBER_TEMPLATES:
        for value in rng.sample(NUMBERS[:13], 2):
            cases.append(("CALL", rng.choice((1773, 1774)), value, template))
        for value in rng.sample(NUMBERS, 4):
            cases.append(("CALL", 1772, value, template))
        for value in rng.sample([v for v in NUMBERS if len(v) < 18], 3):
            cases.append(("CALL", rng.choice((1776, 1776, 1775)), value, template))
    for template in NUMBER_INPUTS:
        for text in rng.sample(NUMBER_TEXTS, 12):
            cases.append(("CALL", 1777, text, template))


# ---- asking, and writing down ----

IN_CALL = {"date": "date_in(%s::cstring)"}


def sql_string(text):
    return "E'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def query(case):
    if case[0] in ("IN", "SEND"):
        kind, typmod, text = case[1:]
        call = IN_CALL.get(kind, kind + "_in(%s::cstring, 0, " + str(typmod) + ")") % sql_string(text)
        return f"select ({call})::text" if case[0] == "IN" else f"select encode({kind}_send({call}), 'hex')"
    kind, name, ret, types = FUNCTIONS[case[1]]
    args = ", ".join(("null" if v == "\\N" else sql_string(v)) + "::" + t for v, t in zip(case[2:], types))
    call = f'pg_catalog."{name}"({args})'
    if kind == "SRF":
        return f"select coalesce(string_agg(x::text || ',', ''), '') from {call} x"
    if ret == "bool":
        return f"select case when {call} then 't' when not {call} then 'f' end"
    return f"select ({call})::text"


ASK = """create function pg_temp.ask(q text) returns text language plpgsql as $f$
declare r text; s text; m text; h text; d text;
begin
    execute q into r;
    return coalesce(r, '\\N');
exception when others then
    get stacked diagnostics s = returned_sqlstate, m = message_text, h = pg_exception_hint, d = pg_exception_detail;
    return '!' || s || ' ' || m || case when d <> '' then ' | ' || d else '' end || case when h <> '' then ' | ' || h else '' end;
end $f$;"""


def c_string(text):
    out = ""
    for byte in text.encode():
        char = chr(byte)
        out += "\\" + char if char in '\\"' else char if 32 <= byte < 127 and char != "?" else "\\%03o" % byte
    return '"' + out + '"'


def main():
    input_cases()
    function_cases()
    template_cases()
    script = ["set client_encoding = utf8; set intervalstyle = postgres;", ASK]
    for case in cases:
        if case[0] == "SET":
            script.append(f"set {case[1]} to {sql_string(case[2])}; show {case[1]};")
        else:
            script.append("select pg_temp.ask($Q$%s$Q$);" % query(case))
    run = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-f", "-"], input="\n".join(script).encode(), capture_output=True, check=True)
    answers = run.stdout.decode().split("\n")
    if len(answers) != len(cases) + 1:
        sys.exit(f"{len(cases)} cases, {len(answers) - 1} answers: an answer of several lines?")
    seen = set()
    with open(os.path.join(ROOT, "tests/types_datetime_cases.inc"), "w") as f:
        f.write("/* Recorded from PostgreSQL 15 by tests/diff/datetime_cases.py, seed %d. */\n" % SEED)
        for case, answer in zip(cases, answers):
            if case[0] == "SET":
                f.write(f"SET({c_string(case[1])}, {c_string(case[2])}, {c_string(answer)})\n")
                seen.clear()
            elif case in seen:
                continue
            elif case[0] == "CALL":
                seen.add(case)
                f.write(f"CALL({case[1]}, {c_string(answer)}, {', '.join(c_string(v) for v in case[2:])})\n")
            else:
                seen.add(case)
                f.write(f"{case[0]}({c_string(case[1])}, {case[2]}, {c_string(case[3])}, {c_string(answer)})\n")
    print(len(cases), "cases")


main()
