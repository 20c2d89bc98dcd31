-- People who are known by an OpenID provider, and sessions that began there.
create table identity (
    issuer text not null,
    subject text not null,
    login text not null references person (login) on delete cascade,
    made_at timestamptz not null,
    primary key (issuer, subject),
    unique (issuer, login)
);
comment on table identity is 'Who a person is at an OpenID provider; found by it, never by a mail address that may change hands.';
create index identity_login on identity (login);

alter table web_session add column id_token text;
comment on column web_session.id_token is
    'What the provider said at the beginning; handed back when signing out there. Null: began with a password.';
