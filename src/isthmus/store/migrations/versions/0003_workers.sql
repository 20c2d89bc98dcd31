-- Several workers: lanes of due work, and a brake whose accounts are in the store.
alter table approval add column granted text[] not null default '{}';
comment on column approval.granted is 'Links that were counted and are not finished yet.';

create table traffic (
    subject text not null,
    at timestamptz not null,
    links text[] not null
);
comment on table traffic is 'Links written without approval within the last minute, for all workers; one row a claim.';
create index traffic_time on traffic (subject, at);

-- The share of due work that a link belongs to; the number of lanes is LANES in sync/ports.py.
create function lane(link text) returns integer language sql immutable parallel safe
    return (hashtextextended(link, 0) & 63)::integer;
comment on function lane(text) is 'The share of due work that a link belongs to, 0 to 63.';

-- Takes lanes in the order given, passing over those that another session has, until enough is due in them.
create function take_lanes(place text, lanes integer[], due integer[], enough integer) returns setof integer
language plpgsql as $$
declare
    taken integer := 0;
begin
    for n in 1 .. cardinality(lanes) loop
        exit when taken >= enough;
        if pg_try_advisory_lock(hashtextextended('isthmus ' || place || '/' || lanes[n], 0)) then
            taken := taken + due[n];
            return next lanes[n];
        end if;
    end loop;
end
$$;
comment on function take_lanes(text, integer[], integer[], integer) is
    'Takes session locks of lanes that nobody else has until enough links are due in them; which.';
