/*
 * Templates of to_char, to_timestamp, to_date and to_number: a text like 'YYYY-MM-DD' or '999D99'
 * compiled to a list of nodes, kept at the call site.
 */
#ifndef CORE_TYPES_TO_CHAR_H
#define CORE_TYPES_TO_CHAR_H

#include "core/types/datetime_int.h"

typedef enum NodeKind { NODE_END, NODE_FIELD, NODE_CHAR, NODE_SEPARATOR, NODE_SPACE } NodeKind;

/* Date fields. Spellings that print differently have values of their own. */
typedef enum DateField {
    DF_A_D,
    DF_A_M,
    DF_AD,
    DF_AM,
    DF_B_C,
    DF_BC,
    DF_CC,
    DF_DAY,
    DF_DDD,
    DF_DD,
    DF_DY,
    DF_Day,
    DF_Dy,
    DF_D,
    DF_FF1,
    DF_FF2,
    DF_FF3,
    DF_FF4,
    DF_FF5,
    DF_FF6,
    DF_FX,
    DF_HH24,
    DF_HH12,
    DF_HH,
    DF_IDDD,
    DF_ID,
    DF_IW,
    DF_IYYY,
    DF_IYY,
    DF_IY,
    DF_I,
    DF_J,
    DF_MI,
    DF_MM,
    DF_MONTH,
    DF_MON,
    DF_MS,
    DF_Month,
    DF_Mon,
    DF_OF,
    DF_P_M,
    DF_PM,
    DF_Q,
    DF_RM,
    DF_SSSSS,
    DF_SSSS,
    DF_SS,
    DF_TZH,
    DF_TZM,
    DF_TZ,
    DF_US,
    DF_WW,
    DF_W,
    DF_Y_YYY,
    DF_YYYY,
    DF_YYY,
    DF_YY,
    DF_Y,
    DF_a_d,
    DF_a_m,
    DF_ad,
    DF_am,
    DF_b_c,
    DF_bc,
    DF_day,
    DF_dy,
    DF_month,
    DF_mon,
    DF_p_m,
    DF_pm,
    DF_rm,
    DF_tz
} DateField;

typedef enum NumberField {
    NF_COMMA,
    NF_POINT,
    NF_0,
    NF_9,
    NF_B,
    NF_C,
    NF_D,
    NF_E,
    NF_FM,
    NF_G,
    NF_L,
    NF_MI,
    NF_PL,
    NF_PR,
    NF_RN,
    NF_SG,
    NF_SP,
    NF_S,
    NF_TH,
    NF_V,
    NF_rn,
    NF_th
} NumberField;

typedef enum DateMode { MODE_ANY, MODE_GREGORIAN, MODE_ISO } DateMode;

typedef struct FieldName {
    char name[8];
    uint8_t len;
    uint8_t field;
    bool digits; /* the input of this field is all digits */
    uint8_t mode; /* DateMode */
} FieldName;

#define SUFFIX_FM 1u
#define SUFFIX_TH 2u       /* "TH" */
#define SUFFIX_TH_LOWER 4u /* "th" */
#define SUFFIX_TM 8u

typedef struct Node {
    uint8_t kind;
    uint8_t suffix;
    uint8_t len;             /* NODE_CHAR and so on: bytes of the character */
    char bytes[4];
    const FieldName *field;  /* NODE_FIELD */
} Node;

/* What a number template asks for. */
#define NUM_DECIMAL 1u
#define NUM_LOCALE_DECIMAL 2u
#define NUM_ZERO 4u
#define NUM_BLANK 8u
#define NUM_FILLMODE 16u
#define NUM_LSIGN 32u
#define NUM_BRACKET 64u
#define NUM_MINUS 128u
#define NUM_PLUS 256u
#define NUM_ROMAN 512u
#define NUM_MULTI 1024u
#define NUM_EEEE 4096u

typedef enum SignPlace { SIGN_NONE, SIGN_BEFORE, SIGN_BEHIND } SignPlace;
typedef struct NumberShape {
    unsigned flags;
    int pre, post;      /* digits before and behind the point */
    int multi;          /* V: digits the value is shifted by */
    int zero_start, zero_end; /* digit positions of the first 0 (from 1) and the last */
    int pre_sign;       /* digits before an S */
    SignPlace sign_place;
} NumberShape;

typedef struct Template {
    uint32_t len;
    char *text;        /* what it was compiled from */
    Node *nodes;       /* ends with NODE_END */
    NumberShape shape; /* number templates */
} Template;

/* The compiled form of the template argument, from the call site if it is the same as last time. */
const Template *template_get(FnCtx *c, Datum format, bool number);
/* Bytes of the character at p, at most n. */
static inline int
char_bytes(const char *p, size_t n)
{
    int k = utf8_char_bytes((unsigned char)*p);
    return k < 1 ? 1 : (size_t)k > n ? (int)n : k;
}
static inline bool is_separator(char c) { return is_punct(c); }
/* "st", "nd", "rd", "th" for the decimal number text. */
const char *ordinal_suffix(const char *digits, size_t n, bool upper);
extern const char *const roman_months[12];       /* XII down to I */
extern const char *const roman_months_lower[12];

#endif
