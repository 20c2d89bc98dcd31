-- People, their sessions and tokens, and the audit log.

-- name: person_columns
person.login, person.name, person.language, person.theme, person.roles, person.password, person.made_at,
    person.disabled_at, person.customer

-- name: save_person
insert into person (login, name, language, theme, roles, password, made_at, disabled_at, customer)
values (%(login)s, %(name)s, %(language)s, %(theme)s, %(roles)s, %(password)s, %(made_at)s, %(disabled_at)s,
    %(customer)s)
on conflict (login) do update set name = excluded.name, language = excluded.language, theme = excluded.theme,
    roles = excluded.roles, password = excluded.password, disabled_at = excluded.disabled_at,
    customer = excluded.customer;

-- name: person
select {person_columns} from person where login = %(login)s;

-- name: people
select {person_columns} from person order by disabled_at is not null, login;

-- name: session_columns
web_session.digest, web_session.login, web_session.made_at, web_session.seen_at, web_session.expires_at,
    web_session.address, web_session.agent

-- name: add_session
with forgotten as (delete from web_session where expires_at < %(made_at)s)
insert into web_session (digest, login, made_at, seen_at, expires_at, address, agent, id_token)
values (%(digest)s, %(login)s, %(made_at)s, %(made_at)s, %(expires_at)s, %(address)s, %(agent)s, %(id_token)s);

-- name: person_of_session
select {person_columns}
from web_session join person using (login)
where digest = %(digest)s and expires_at > %(now)s and disabled_at is null;

-- name: touch_session
-- Once a minute is often enough. A session that a provider vouched for ends in time: it asks there again.
update web_session set seen_at = %(now)s,
    expires_at = case when id_token is null then %(expires_at)s else expires_at end
where digest = %(digest)s and seen_at < %(now)s - interval '1 minute';

-- name: sessions
select {session_columns} from web_session
where (%(login)s::text is null or login = %(login)s) and expires_at > %(now)s
order by seen_at desc;

-- name: end_session
delete from web_session where digest = %(digest)s returning login;

-- name: id_token_of_session
select id_token from web_session where digest = %(digest)s;

-- name: end_sessions
delete from web_session where login = %(login)s;

-- name: identity
select login from identity where issuer = %(issuer)s and subject = %(subject)s;

-- name: linked
select distinct login from identity;

-- name: forget_identities
delete from identity where login = %(login)s returning subject;

-- name: add_identity
insert into identity (issuer, subject, login, made_at) values (%(issuer)s, %(subject)s, %(login)s, %(made_at)s)
on conflict do nothing returning login;

-- name: token_columns
api_token.id, api_token.login, api_token.name, api_token.scopes, api_token.made_at, api_token.expires_at,
    api_token.used_at, api_token.revoked_at

-- name: add_token
insert into api_token (id, digest, login, name, scopes, made_at, expires_at)
values (%(id)s, %(digest)s, %(login)s, %(name)s, %(scopes)s, %(made_at)s, %(expires_at)s);

-- name: tokens
select {token_columns} from api_token order by revoked_at is not null, made_at desc;

-- name: token_by_secret
select {token_columns} from api_token
where digest = %(digest)s and revoked_at is null and (expires_at is null or expires_at > %(now)s);

-- name: touch_token
update api_token set used_at = %(now)s
where id = %(id)s and (used_at is null or used_at < %(now)s - interval '1 minute');

-- name: revoke_token
update api_token set revoked_at = %(now)s where id = %(id)s and revoked_at is null returning id;

-- name: append_audit
select append_audit(%(at)s, %(who)s, %(action)s, %(subject)s, %(detail)s);

-- name: audit
select seq, at, who, action, subject, detail, encode(digest, 'hex')
from audit
where (%(before)s::bigint is null or seq < %(before)s) and (%(who)s::text is null or who = %(who)s)
order by seq desc
limit %(limit)s;

-- name: audit_faults
-- Entries that are not what they were when they were written, or whose predecessor is missing.
select seq from (
    select seq, digest, lag(seq) over chain as before, audit_digest(lag(digest) over chain, audit) as wanted
    from audit window chain as (order by seq)
) as checked
where digest <> wanted or coalesce(before, 0) + 1 <> seq
order by seq
limit 20;

-- name: audit_end
select seq, encode(digest, 'hex') from audit
where %(seq)s::bigint is null or seq = %(seq)s
order by seq desc limit 1;
