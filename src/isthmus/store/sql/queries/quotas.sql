-- What far systems say of how often they may be called.

-- name: save_quotas
-- Several workers call one system: what it said last counts.
insert into quota (system, name, most, "left", "window", renews_at, seen_at)
select %(system)s, name, most, "left", "window", renews_at, seen_at
from jsonb_to_recordset(%(rows)s) as given (
    name text, most bigint, "left" bigint, "window" double precision, renews_at timestamptz, seen_at timestamptz)
on conflict (system, name) do update set
    most = excluded.most, "left" = excluded."left", "window" = excluded."window", renews_at = excluded.renews_at,
    seen_at = excluded.seen_at
where quota.seen_at < excluded.seen_at;

-- name: quotas
select name, most, "left", "window", renews_at, seen_at, system from quota order by system, name;
