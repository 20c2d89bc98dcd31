-- The inbox as people work through it.

-- name: inbox_groups
select kind, flow, coalesce(detail ->> 'system', ''), coalesce(cause, ''), count(*), min(opened_at)
from inbox left join inbox_care on inbox_care.entry = inbox.id
where decided_at is null and (%(kind)s::text is null or kind = %(kind)s)
    and (%(flow)s::text is null or flow = %(flow)s)
    and (snoozed_until is null or snoozed_until <= %(now)s)
group by 1, 2, 3, 4
order by 5 desc, 1, 2, 3, 4
limit %(limit)s;

-- name: inbox_filtered
select {inbox_columns}
from inbox left join inbox_care on inbox_care.entry = inbox.id
where decided_at is null
    and (%(kind)s::text is null or kind = %(kind)s)
    and (%(flow)s::text is null or flow = %(flow)s)
    and (%(cause)s::text is null or cause = %(cause)s)
    and (%(assignee)s::text is null or assignee = %(assignee)s)
    and coalesce(snoozed_until > %(now)s, false) = %(snoozed)s
order by opened_at, id
limit %(limit)s offset %(offset)s;

-- name: inbox_decided
select {inbox_columns} from inbox where decided_at is not null order by decided_at desc limit %(limit)s;

-- name: inbox_care
select entry, assignee, snoozed_until from inbox_care where entry = any(%(entries)s);

-- name: set_inbox_care
insert into inbox_care (entry, assignee, snoozed_until) values (%(entry)s, %(assignee)s, %(snoozed_until)s)
on conflict (entry) do update set assignee = excluded.assignee, snoozed_until = excluded.snoozed_until;

-- name: add_inbox_comment
insert into inbox_comment (entry, at, by, text) values (%(entry)s, %(at)s, %(by)s, %(text)s);

-- name: inbox_comments
select entry, at, by, text from inbox_comment where entry = %(entry)s order by seq limit 200;

-- name: inbox_alike
-- As inbox_filtered, of any number: which, and of what flow.
select inbox.id, inbox.flow
from inbox left join inbox_care on inbox_care.entry = inbox.id
where decided_at is null
    and (%(kind)s::text is null or kind = %(kind)s)
    and (%(flow)s::text is null or flow = %(flow)s)
    and (%(cause)s::text is null or cause = %(cause)s)
    and not coalesce(snoozed_until > %(now)s, false)
order by opened_at, id
limit %(limit)s;

-- name: inbox_of
select {inbox_columns} from inbox where id = any(%(ids)s);
