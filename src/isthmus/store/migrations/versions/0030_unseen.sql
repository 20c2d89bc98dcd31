-- What a save of an older copy may have set back where the record did not show it when it was read.
alter table link add column unseen jsonb not null default '{}';
comment on column link.unseen is
    'What a save of an older copy may have set back where the record did not show it when it was read.';
