/*
 * Privileges: the bits, the form of an aclitem, defaults by kind of object.
 *
 * An aclitem is 12 bytes: grantee OID (0: PUBLIC), grantor OID, then 16 bits of privileges and 16 bits
 * of grant options. An ACL is an array of them; NULL stands for the default of the object's kind.
 */
#ifndef CORE_CATALOG_PRIVILEGES_H
#define CORE_CATALOG_PRIVILEGES_H

#include "core/types/type.h"

/* The same definitions as in core/sql/tree.h, which stands above. */
#define ACL_INSERT (1u << 0)
#define ACL_SELECT (1u << 1)
#define ACL_UPDATE (1u << 2)
#define ACL_DELETE (1u << 3)
#define ACL_TRUNCATE (1u << 4)
#define ACL_REFERENCES (1u << 5)
#define ACL_TRIGGER (1u << 6)
#define ACL_EXECUTE (1u << 7)
#define ACL_USAGE (1u << 8)
#define ACL_CREATE (1u << 9)
#define ACL_CREATE_TEMP (1u << 10)
#define ACL_CONNECT (1u << 11)
#define ACL_SET (1u << 12)
#define ACL_ALTER_SYSTEM (1u << 13)
#define ACL_ALL_TABLE (ACL_INSERT | ACL_SELECT | ACL_UPDATE | ACL_DELETE | ACL_TRUNCATE | ACL_REFERENCES | ACL_TRIGGER)
#define ACL_ALL_COLUMN (ACL_INSERT | ACL_SELECT | ACL_UPDATE | ACL_REFERENCES)
#define ACL_ALL_SEQUENCE (ACL_USAGE | ACL_SELECT | ACL_UPDATE)
#define ACL_ALL_DATABASE (ACL_CREATE | ACL_CREATE_TEMP | ACL_CONNECT)
#define ACL_ALL_SCHEMA (ACL_USAGE | ACL_CREATE)
#define ACL_BITS 14

typedef struct AclItem { Oid grantee, grantor; uint32_t bits; /* low 16: privileges, high 16: grant options */ } AclItem;
#define ACLITEM_BYTES 12

/* objtype: 'r' table, 'c' column, 's' sequence, 'd' database, 'f' function, 'l' language, 'L' large object,
 * 'n' schema, 'p' parameter, 't' tablespace, 'F' foreign data wrapper, 'S' foreign server, 'T' type */
uint32_t acl_all_bits(char objtype);
int acl_default(char objtype, Oid owner, AclItem out[2]);
/* The items of an ACL Datum (or, isnull, of the default). */
int acl_items(Arena *a, Datum acl, bool isnull, char objtype, Oid owner, AclItem **out);
Datum acl_make(Arena *a, const AclItem *items, int n);
AclItem aclitem_load(Datum d);
Datum aclitem_make(Arena *a, AclItem item);
/* Which of `bits` the role has, through membership, ownership and PUBLIC; superusers all. */
uint32_t acl_mask(const AclItem *items, int n, Oid owner, Oid role, uint32_t bits);
/* Everything about an object that privileges need; false: there is no such object. */
typedef struct AclObject { Oid owner; char objtype; Datum acl; bool isnull; } AclObject;
bool acl_object(Oid table, Oid object, AclObject *out);
uint32_t acl_object_mask(Oid table, Oid object, Oid role, uint32_t bits); /* which of the bits are held */
/* Which of `bits` with grant option the role holds: what it may pass on. */
uint32_t acl_grantable(const AclItem *items, int n, Oid owner, Oid role, uint32_t bits);
const char *acl_bit_name(uint32_t bit); /* SELECT ... */

#endif
