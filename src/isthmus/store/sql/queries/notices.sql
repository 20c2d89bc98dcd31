-- The outbox of mail.

-- name: notice_columns
id, milestone, document, key, recipient, language, context, thread, state, attempts, next_at, queued_at, sent_at, problem

-- name: add_notice
insert into notice (
    id, milestone, document, key, recipient, language, context, thread, state, attempts, next_at, queued_at, sent_at,
    problem)
select id, milestone, document, key, recipient, language, context,
    coalesce((
        select earlier.thread from notice as earlier
        where (earlier.document, earlier.key, earlier.recipient) = (given.document, given.key, given.recipient)
        order by earlier.seq limit 1), thread),
    state, attempts, next_at, queued_at, sent_at, problem
from jsonb_to_recordset(%(rows)s) as given (
    id text, milestone text, document text, key text, recipient text, language text, context jsonb, thread text,
    state text, attempts integer, next_at timestamptz, queued_at timestamptz, sent_at timestamptz, problem jsonb)
on conflict (id) do nothing
returning id, pg_notify('isthmus_notices', '')::text;

-- name: notices_about
select {notice_columns} from notice where document = %(document)s and key = any(%(keys)s::text[]) order by seq;

-- name: due_notices
-- Called by the one sender there is: what is still "sending" was left by one that died.
select {notice_columns} from notice
where state in ('queued', 'sending') and next_at <= %(now)s
order by next_at, seq
limit %(limit)s;

-- name: save_notice
update notice set
    state = given.state, attempts = given.attempts, next_at = given.next_at, sent_at = given.sent_at,
    problem = given.problem
from jsonb_to_recordset(%(rows)s) as given (
    id text, state text, attempts integer, next_at timestamptz, sent_at timestamptz, problem jsonb)
where notice.id = given.id
    -- A bounce may be read before the worker that sent the mail has stored that it did.
    and not (notice.state = 'bounced' and given.state = 'sent')
returning notice.id;

-- name: bounce_notice
update notice set state = 'bounced', problem = %(problem)s
where id = %(id)s and state in ('queued', 'sending', 'sent')
returning id;

-- name: no_mail
update notice set state = 'off' where state in ('queued', 'sending') returning id;

-- name: retry_notice
update notice set state = 'queued', next_at = %(now)s, attempts = 0, queued_at = %(now)s, problem = null
where id = %(id)s and state in ('refused', 'bounced', 'off', 'queued')
returning id, pg_notify('isthmus_notices', '')::text;

-- name: list_notices
select {notice_columns} from notice
where (%(state)s::text is null or state = %(state)s) and (%(recipient)s::text is null or recipient = %(recipient)s)
order by seq desc
limit %(limit)s;

-- name: one_notice
select {notice_columns} from notice where id = %(id)s;

-- name: make_fact
-- The first one to come makes it, everybody has it.
with made as (
    insert into meta (name, value) values (%(name)s, %(value)s) on conflict (name) do nothing returning value
)
select value from made union all select value from meta where name = %(name)s limit 1;
