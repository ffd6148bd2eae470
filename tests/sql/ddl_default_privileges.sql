-- ALTER DEFAULT PRIVILEGES: what new objects are given.
create role diff_dp; create role diff_dp2; create schema dps;
alter default privileges in schema dps grant select on tables to diff_dp;
alter default privileges grant usage on sequences to diff_dp with grant option;
alter default privileges for role diff_dp revoke execute on functions from public;
alter default privileges in schema dps grant select (a) on tables to diff_dp;
alter default privileges in schema dps grant usage on tables to diff_dp;
alter default privileges in schema dps grant usage on schemas to diff_dp;
alter default privileges in schema nosuch grant select on tables to diff_dp;
alter default privileges for role nosuch grant select on tables to diff_dp;
create table dps.t (a int); create sequence dps.s; create table t0 (a int);
\dp dps.*
\dp t0
\ddp
drop role diff_dp;
alter default privileges in schema dps revoke select on tables from diff_dp;
alter default privileges revoke all on sequences from diff_dp;
alter default privileges for role diff_dp grant execute on functions to public;
\ddp
set role diff_dp2;
alter default privileges for role postgres grant select on tables to diff_dp;
reset role;
drop table t0; drop schema dps cascade; drop role diff_dp; drop role diff_dp2;
