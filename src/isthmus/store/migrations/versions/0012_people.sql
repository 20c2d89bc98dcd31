-- Who may use the hub's faces, and what they did there.
create table person (
    login text primary key check (login = lower(login)),
    name text not null,
    language text not null check (language in ('en', 'zh')),
    theme text not null check (theme in ('auto', 'light', 'dark')),
    roles text[] not null,
    password text,
    made_at timestamptz not null,
    disabled_at timestamptz
);
comment on table person is 'People who sign in; the login is their mail address.';
comment on column person.password is 'Argon2 hash; null: cannot sign in by password.';

create table web_session (
    digest bytea primary key,
    login text not null references person (login) on delete cascade,
    made_at timestamptz not null,
    seen_at timestamptz not null,
    expires_at timestamptz not null,
    address text not null,
    agent text not null
);
comment on table web_session is 'Sessions of signed-in people; deleting a row signs out.';
comment on column web_session.digest is 'SHA-256 of the secret that only the browser has.';
create index web_session_login on web_session (login);

create table api_token (
    id text primary key,
    digest bytea not null unique,
    login text not null references person (login) on delete cascade,
    name text not null,
    scopes text[] not null,
    made_at timestamptz not null,
    expires_at timestamptz,
    used_at timestamptz,
    revoked_at timestamptz
);
comment on table api_token is 'Secrets of programs that act for a person, and what they may do.';
comment on column api_token.digest is 'SHA-256 of the secret, which is shown once.';

create table audit (
    seq bigint primary key,
    at timestamptz not null,
    who text not null,
    action text not null,
    subject text not null,
    detail jsonb not null,
    digest bytea not null
);
comment on table audit is 'What people did, each entry chained to the one before it.';
comment on column audit.digest is 'SHA-256 over the digest before it and this entry.';

create function audit_digest(previous bytea, entry audit) returns bytea language sql stable parallel safe
    return sha256(coalesce(previous, ''::bytea) || convert_to(
        jsonb_build_array(entry.seq, to_char(entry.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'),
            entry.who, entry.action, entry.subject, entry.detail)::text, 'UTF8'));
comment on function audit_digest(bytea, audit) is 'The digest that this entry must have after the one before it.';

-- One after the other, so that there is one chain.
create function append_audit(at timestamptz, who text, action text, subject text, detail jsonb) returns bigint
language plpgsql as $$
declare
    last audit;
    made audit;
begin
    perform pg_advisory_xact_lock(hashtextextended('isthmus audit', 0));
    select * into last from audit order by seq desc limit 1;
    made := row(coalesce(last.seq, 0) + 1, at, who, action, subject, detail, ''::bytea);
    made.digest := audit_digest(last.digest, made);
    insert into audit select made.*;
    return made.seq;
end
$$;
comment on function append_audit(timestamptz, text, text, text, jsonb) is 'Adds an entry to the audit log; its number.';

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'the audit log is append-only';
end
$$;
comment on function refuse_change() is 'Trigger of tables that are only added to.';
create trigger audit_append_only before update or delete or truncate on audit execute function refuse_change();
